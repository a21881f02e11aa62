"""Fragments on the source grid, and their names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.bones.outlines import OutlinedBone, outline_bone
from operators.bones.regions import BoneRegion
from operators.fragments.assembly import FracturedBone, assemble_segmentation
from operators.fragments.evidence import Fragments
from operators.geometry.volume import CtVolume, Grid
from operators.packages.confidence import Confidence
from operators.packages.packages import Label
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.segments import FRACTURE, LESION
from tests.support.dicom.phantoms import Affine, all_orientations, oblique_affine, tilted_affine
from tests.support.packages.synthetic_packages import centred_affine, made_package, positions

PACKAGE = made_package()
MIDDLE, LEFT, RIGHT = PACKAGE.labels
SHAPE = (36, 30, 32)
GRID = Grid(SHAPE, centred_affine(np.eye(3), SHAPE))
LPS = positions(SHAPE, GRID.ijk_to_lps)


def in_bone(lps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Depth in mm under the surface of an ellipsoid that no mirroring maps onto itself."""
    away = (lps - (2.0, -1.0, 3.0)) / (13.0, 9.0, 10.0)
    return (1 - np.sqrt((away**2).sum(axis=-1))) * 9


def parts(lps: NDArray[np.float64], count: int) -> NDArray[np.intp]:
    """1 ... count, from feet to head and to the left."""
    height = lps @ np.array([0.3, 0.2, 1.0])
    return np.clip(np.floor((height + 8) * count / 20), 0, count - 1).astype(int) + 1


def outline(source: Grid, label: Label, grid: Grid, confidence: float) -> OutlinedBone:
    margin = np.clip(in_bone(LPS) / 4, -1, 1).astype(np.float32)
    nowhere = np.zeros(margin.shape, bool)
    region = BoneRegion(label, margin, nowhere, nowhere, grid, confidence)
    found = outline_bone(CtVolume(np.zeros(source.shape, np.int16), source), region, None)
    assert found is not None
    return found


def fractured(count: int, source: Grid = GRID, label: Label = LEFT) -> FracturedBone:
    fragments = np.where(in_bone(LPS) > 0, parts(LPS, count), 0).astype(np.uint16)
    return FracturedBone(outline(source, label, GRID, 0.8), plain(fragments), GRID)


def plain(labels: NDArray[np.uint16]) -> Fragments:
    """Fragments of which no decision is known."""
    return Fragments(labels, {}, 0.0)


def source_grid(affine: Affine) -> Grid:
    shape = (46, 48, 20)
    return Grid(shape, centred_affine(affine[:3, :3], shape), "1.2.3")


@pytest.mark.parametrize("affine", [*all_orientations(), oblique_affine(), tilted_affine(25.0)])
def test_fragments_lie_at_their_place_on_a_source_grid_of_any_orientation(affine: Affine) -> None:
    source = source_grid(affine)
    labels = assemble_segmentation(source, (fractured(2, source),), PACKAGE).label_map.labels
    lps = positions(source.shape, source.ijk_to_lps)
    depth, expected = in_bone(lps), np.where(in_bone(lps) > 0, parts(lps, 2) + 10, 0)
    height = lps @ np.array([0.3, 0.2, 1.0])
    clear = (np.abs(depth) > 0.8) & (np.abs(height - 2) > 1.3)
    assert set(np.unique(labels)) == {0, 11, 12}
    np.testing.assert_array_equal(labels[clear], expected[clear])


SURE = Confidence(bone=(0.0, 1.0), fracture=(0.0, 2.0), contact=(-1.0, 1.0), fitted_on="nothing")


def test_a_package_with_a_calibration_says_how_sure_each_decision_is() -> None:
    bone = fractured(3)
    decisions = Fragments(bone.fragments.labels, {(1, 2): 1.0, (2, 3): 3.0}, 1.0)
    made = assemble_segmentation(
        GRID, (replace(bone, fragments=decisions),), replace(PACKAGE, confidence=SURE)
    )
    likely = round(1 / (1 + np.exp(-2)), 2)
    for segment, own in zip(made.segments, (0.5, 0.5, likely), strict=True):
        assert (segment.bone_probability, segment.fragment_probability) == (0.8, own)
        assert segment.confidence == own
    assert [(contact.bone, contact.fragments) for contact in made.contacts] == [
        ("side_left", (1, 2)),
        ("side_left", (2, 3)),
    ]
    assert [contact.probability for contact in made.contacts] == [0.5, likely]


def test_a_bone_is_as_surely_fractured_as_its_most_certain_face() -> None:
    bone = fractured(3)
    decisions = Fragments(bone.fragments.labels, {(1, 2): 1.0, (2, 3): 3.0}, 3.0)
    made = assemble_segmentation(
        GRID, (replace(bone, fragments=decisions),), replace(PACKAGE, confidence=SURE)
    )
    assert {segment.fracture_probability for segment in made.segments} == {
        max(contact.probability for contact in made.contacts)
    }


def test_an_intact_bone_has_no_fragments_probability() -> None:
    (segment,) = assemble_segmentation(GRID, (fractured(1),), replace(PACKAGE, confidence=SURE)).segments
    assert segment.fracture_probability == 0.27
    assert segment.fragment_probability is None
    assert segment.confidence == segment.bone_probability == 0.8


def test_a_package_without_a_calibration_says_no_probability() -> None:
    made = assemble_segmentation(GRID, (fractured(2),), PACKAGE)
    assert made.contacts == ()
    for segment in made.segments:
        assert segment.bone_probability is segment.fracture_probability is None
        assert segment.fragment_probability is None


def codes(segmentation: Segmentation) -> list[tuple[object, ...]]:
    return [(s.value, s.label, s.fragment, s.category, s.type, s.laterality) for s in segmentation.segments]


def test_an_intact_bone_bears_the_bones_codes_and_a_fragment_those_of_a_fracture() -> None:
    far = Grid(SHAPE, GRID.ijk_to_lps + np.outer((60, 0, 0, 0), (0, 0, 0, 1)))
    source = Grid(
        (100, 40, 40), centred_affine(np.eye(3), (100, 40, 40)) + np.outer((30, 0, 0, 0), (0, 0, 0, 1))
    )
    intact = FracturedBone(outline(source, RIGHT, far, 0.9), plain((in_bone(LPS) > 0).astype(np.uint16)), far)
    result = assemble_segmentation(source, (fractured(2, source), intact), PACKAGE)
    left, right = LEFT.structure.laterality, RIGHT.structure.laterality
    assert codes(result) == [
        (11, "Left bone fragment 1", 1, LESION, FRACTURE, left),
        (12, "Left bone fragment 2", 2, LESION, FRACTURE, left),
        (21, "Right bone", None, RIGHT.structure.category, RIGHT.structure.type, right),
    ]
    assert {segment.region for segment in result.segments} == {LEFT.structure.type}
    assert [segment.network_mean for segment in result.segments] == [0.8, 0.8, 0.9]
    assert len({segment.rgb for segment in result.segments}) == 3
    assert result.warnings == ()


@pytest.mark.parametrize(
    ("label", "values"), [(MIDDLE, {1, 2, 3}), (LEFT, {11, 12, 13}), (RIGHT, {21, 22, 23})]
)
def test_values_follow_the_packages_convention(label: Label, values: set[int]) -> None:
    result = assemble_segmentation(GRID, (fractured(3, GRID, label),), PACKAGE)
    assert {segment.value for segment in result.segments} == values
    assert set(np.unique(result.label_map.labels)) == {0, *values}


def test_volumes_are_those_of_the_source_grids_voxels() -> None:
    source = source_grid(oblique_affine())
    result = assemble_segmentation(source, (fractured(2, source),), PACKAGE)
    for segment in result.segments:
        voxels = np.count_nonzero(result.label_map.labels == segment.value)
        assert segment.volume_ml == pytest.approx(voxels * source.voxel_volume_mm3 / 1000)
    whole = sum(segment.volume_ml for segment in result.segments)
    assert whole == pytest.approx(4 / 3 * np.pi * 13 * 9 * 10 / 1000, rel=0.03)


def test_more_fragments_than_values_are_said_and_given_to_their_neighbours() -> None:
    bone = fractured(1)
    slabs = np.clip(np.floor(LPS[..., 2] / 1.5) + 8, 1, 14)
    labels = np.where(bone.fragments.labels > 0, slabs, 0).astype(np.uint16)
    many, count = FracturedBone(bone.outline, plain(labels), GRID), int(labels.max())
    result = assemble_segmentation(GRID, (many,), PACKAGE)
    assert count > 10
    assert result.warnings == (
        f"Left bone: {count - 10} more fragments than the 10 that the package can label",
    )
    shown = result.label_map.labels
    assert shown.max() == 20
    np.testing.assert_array_equal(shown > 0, bone.outline.inside)


def test_a_bone_keeps_its_voxels_where_no_fragment_reaches_them() -> None:
    bone = fractured(1)
    corner = np.zeros(SHAPE, np.uint16)
    corner[0, 0, 0], corner[0, 0, 1] = 1, 2
    away = Grid(SHAPE, GRID.ijk_to_lps + np.outer((0, 0, 400, 0), (0, 0, 0, 1)))
    labels = assemble_segmentation(
        GRID, (FracturedBone(bone.outline, plain(corner), away),), PACKAGE
    ).label_map.labels
    assert set(np.unique(labels)) == {0, 11}
