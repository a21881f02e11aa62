"""The whole image path, driven by networks that know the truth: it is written in the HU.

`u` is the depth in mm along one oblique direction of the patient, and the HU are linear in it, so that a
voxel read at the wrong place bears the wrong class. From right to left: a bone of the right side, a bone of
the middle, a bone of the left side with a fracture across.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.errors import UnsuitableError
from operators.geometry.volume import Box, CtVolume, Grid
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage, SideRules
from operators.packages.packages import NetworkSpec
from operators.pipelines import coarse_to_fine as pipeline
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.phantoms import Affine, all_orientations, oblique_affine, tilted_affine
from tests.support.packages.synthetic_packages import centred_affine, made_package, positions, write_package

Array = NDArray[np.float32]
BONES_MM = {"side_right": (-62.0, -16.0), "middle": (-8.0, 9.0), "side_left": (15.0, 60.0)}
VALUES = {"side_right": 21, "middle": 1, "side_left": 11}
BREAK_MM = 40.0
HU_PER_MM = 10.0
CENTRE_LPS = np.array([10.0, -30.0, 200.0])
ACROSS = np.array([1.0, 0.3, -0.2])
EXTENT_MM = 96.0


def depth_mm(u: NDArray[np.floating], bone: str) -> NDArray[np.floating]:
    """How far inside a bone, negative outside."""
    low, high = BONES_MM[bone]
    return np.minimum(u - low, high - u)


def scores(u: Array, classes: tuple[str, ...]) -> Array:
    """Logits of an anatomy network: 0 at each bone's surface."""
    depths = {bone: depth_mm(u, bone) for bone in BONES_MM}
    depths["side"] = np.maximum(depths["side_left"], depths["side_right"])
    depths["background"] = -np.max(list(depths.values()), axis=0)
    return np.stack([depths.get(name, np.full_like(u, -99)) for name in classes]).astype(np.float32)


def breaks(u: Array, classes: tuple[str, ...]) -> Array:
    """Logits of a fracture network: contact within 2 mm of the break, background where it was blanked."""
    contact = 2 - np.abs(u - BREAK_MM)
    blank = np.where(u < -95, 99, -99)
    return np.stack([blank, -contact, contact][: len(classes)]).astype(np.float32) * 3


class KnowingNetworks(Networks):
    """Networks that read the truth from the HU of their patch."""

    def __init__(self) -> None:
        super().__init__(Device("torch"))
        self.run: list[str] = []

    def get(self, spec: NetworkSpec) -> Runtime:
        answer = breaks if spec.name == "fracture" else scores
        self.run.append(spec.name)
        low, high = spec.window_hu
        return cast(Runtime, lambda patch: answer((patch * (high - low) + low) / HU_PER_MM, spec.classes))


def knowing_package(blind: bool) -> CoarseToFinePackage:
    """`blind`: the coarse network has one class for both sides, as the fine one always has."""
    package = made_package()
    sizes = {"coarse": 5.0, "fine": 3.0, "fracture": 2.5}
    specs: dict[str, Any] = {
        spec.name: replace(spec, spacing_mm=(sizes[spec.name],) * 3, patch=(40, 40, 40))
        for spec in package.networks
    }
    if not blind:
        return replace(package, **specs)
    specs["coarse"] = replace(specs["coarse"], classes=("background", "middle", "side", "lateral"))
    labels = tuple(
        replace(label, detection=replace(label.found_by, coarse_class=label.found_by.fine_class))
        for label in package.labels
    )
    return replace(package, **specs, labels=labels, sides=SideRules(("middle",), ("lateral",)))


def scan(columns: NDArray[np.float64], across: NDArray[np.float64] = ACROSS) -> tuple[CtVolume, Array]:
    """A CT of a block about 96 mm wide, and `u` at each of its voxels."""
    steps = np.linalg.norm(columns, axis=0)
    i, j, k = (round(float(EXTENT_MM / step)) for step in steps)
    affine = centred_affine(columns, (i, j, k))
    affine[:3, 3] += CENTRE_LPS
    u = ((positions((i, j, k), affine) - CENTRE_LPS) @ across).astype(np.float32)
    return CtVolume(u * np.float32(HU_PER_MM), Grid((i, j, k), affine, "1.2.3")), u


def expected(u: Array) -> NDArray[np.intp]:
    """The right label at each voxel."""
    labels = np.zeros(u.shape, int)
    for bone, value in VALUES.items():
        labels[depth_mm(u, bone) > 0] = value
    labels[(labels == VALUES["side_left"]) & (u > BREAK_MM)] += 1
    return labels


def clear(u: Array, within_mm: float) -> NDArray[np.bool_]:
    """Voxels that are not near any surface or the break, nor at the block's own edge."""
    surfaces = [edge for bone in BONES_MM.values() for edge in bone]
    far = np.min([np.abs(u - edge) for edge in surfaces], axis=0) > within_mm
    inner = np.zeros(u.shape, bool)
    inner[1:-1, 1:-1, 1:-1] = True
    return far & inner & (np.abs(u - BREAK_MM) > 4)


def segmented(volume: CtVolume, blind: bool) -> Segmentation:
    return pipeline.segment(volume, knowing_package(blind), KnowingNetworks(), lambda *_: None)


def columns_of(affine: Affine) -> NDArray[np.float64]:
    """An affine's directions with voxels of 3.2, 2.8 and 4 mm."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return directions * (3.2, 2.8, 4.0)


@pytest.mark.parametrize("blind", [True, False], ids=["blind to sides", "with sides"])
@pytest.mark.parametrize("number", range(48))
def test_left_is_left_and_every_bone_in_its_place_in_all_48_orientations(number: int, blind: bool) -> None:
    volume, u = scan(columns_of(all_orientations()[number]))
    result = segmented(volume, blind)
    assert {segment.value for segment in result.segments} == {1, 11, 12, 21}
    checked = clear(u, 1.5)
    assert checked.mean() > 0.6
    np.testing.assert_array_equal(result.label_map.labels[checked], expected(u)[checked])


@pytest.mark.parametrize("blind", [True, False], ids=["blind to sides", "with sides"])
@pytest.mark.parametrize("affine", [oblique_affine(), tilted_affine(25.0), tilted_affine(-30.0)])
@pytest.mark.parametrize("across", [(1.0, -0.25, 0.15), (1.0, 0.0, 0.0), (1.0, 0.2, 0.3)])
def test_bones_are_in_their_place_on_oblique_and_sheared_grids(
    affine: Affine, across: tuple[float, float, float], blind: bool
) -> None:
    volume, u = scan(columns_of(affine), np.array(across))
    result = segmented(volume, blind)
    reached = clear(u, 1.5)
    np.testing.assert_array_equal(result.label_map.labels[reached], expected(u)[reached])


def test_the_segments_say_which_bone_is_whole_and_which_is_broken() -> None:
    result = segmented(scan(columns_of(all_orientations()[0]))[0], blind=True)
    said = [(segment.value, segment.label, segment.fragment) for segment in result.segments]
    assert said == [
        (1, "Middle bone", None),
        (11, "Left bone fragment 1", 1),
        (12, "Left bone fragment 2", 2),
        (21, "Right bone", None),
    ]
    assert all(segment.network_mean > 0.9 for segment in result.segments)
    assert result.label_map.grid.frame_of_reference_uid == "1.2.3"
    assert result.warnings == ()


def test_the_stages_run_in_their_order_and_progress_reaches_one() -> None:
    networks = KnowingNetworks()
    told: list[tuple[str, float]] = []
    volume, _ = scan(columns_of(all_orientations()[0]))
    pipeline.segment(volume, knowing_package(True), networks, lambda stage, done: told.append((stage, done)))
    assert networks.run == ["coarse", "fine", "fracture", "fracture", "fracture"]
    for stage in ("coarse", "fine", "fracture"):
        shares = [done for name, done in told if name == stage]
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1.0)


def test_a_scan_that_shows_one_side_only_gives_that_side() -> None:
    volume, u = scan(columns_of(all_orientations()[3]), np.array([1.0, 0.1, 0.1]))
    hidden = np.maximum(volume.hu, np.float32(-12 * HU_PER_MM))
    assert (u < -40).any()
    result = segmented(CtVolume(hidden, volume.grid), blind=True)
    assert {segment.value for segment in result.segments} == {1, 11, 12}


def test_a_scan_without_the_bones_is_refused_by_its_code() -> None:
    volume, _ = scan(columns_of(all_orientations()[0]))
    empty = CtVolume(np.full_like(volume.hu, -900), volume.grid)
    with pytest.raises(UnsuitableError, match=r"made-up bones.*left bone") as error:
        segmented(empty, blind=True)
    assert error.value.code == "anatomy_not_found"
    assert error.value.exit_code == 3


@pytest.mark.parametrize("seed", range(3))
def test_untrained_networks_give_labels_of_the_package_on_the_grid(tmp_path: Path, seed: int) -> None:
    package = read_coarse_to_fine_package(write_package(tmp_path / "bones", seed))
    volume, _ = scan(np.diag([3.0, 3.0, 4.0]))
    box = Box((0, 0, 0), (14, 14, 10))
    small = volume.grid.crop(box)
    part = CtVolume(volume.hu[box.slices], small)
    values = {value for label in package.labels for value in label.values}
    result = pipeline.segment(part, package, Networks(Device("torch", 1)), lambda *_: None)
    assert result.label_map.grid.same_as(small)
    found = set(np.unique(result.label_map.labels)) - {0}
    assert found
    assert found == {segment.value for segment in result.segments} <= values
