"""Two packages beside each other: one result holds all bones of both, each value in use once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.package_files.package_reader import read_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.joint import join_packages, parts_of
from operators.packages.packages import Label, ModelPackage
from operators.pipelines import several
from operators.segmentation.colours import cielab
from operators.segmentation.lost_pieces import without_pieces
from operators.segmentation.merging import crop_to_segments, merge_segmentations
from operators.segmentation.segmentation import Contact, Segmentation
from tests.support.packages.limbs_package import (
    AFFINE,
    BREAK_MM,
    SHAPE,
    KnowingNetworks,
    depths_mm,
    expected_bones,
    knowing,
    limbs_ct,
    write_limbs,
)
from tests.support.packages.synthetic_packages import write_package

U = depths_mm(SHAPE, AFFINE)
ALL = ["middle", "side_left", "side_right", "plate", "rod_left", "rod_right"]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[CoarseToFinePackage, CoarseToFinePackage]:
    models = tmp_path_factory.mktemp("models")
    bones = read_package(write_package(models / "bones"))
    assert isinstance(bones, CoarseToFinePackage)
    return knowing(bones), write_limbs(models)


@pytest.fixture(scope="module")
def made(packages: Sequence[CoarseToFinePackage]) -> Segmentation:
    """What both find together."""
    return found_by(*packages)


def volume() -> CtVolume:
    return CtVolume(limbs_ct(), Grid(SHAPE, AFFINE, "1.2.3"))


def found_by(*packages: ModelPackage) -> Segmentation:
    return several.segment(volume(), packages, KnowingNetworks(), lambda *_: None)


def assert_right(labels: NDArray[np.unsignedinteger], values: Mapping[str, Sequence[int]]) -> None:
    """Every voxel that is not at a surface, or at the scan's edge, belongs to its bone."""
    for bone, mask in expected_bones(U).items():
        inner = mask.copy()
        for edge in (-3.1, 3.1):
            inner &= expected_bones(U + np.float32(edge))[bone]
        inner[:, [0, 1, -1, -2]] = inner[:, :, [0, 1, -1, -2]] = False
        assert inner.any()
        assert np.isin(labels[inner], values[bone]).mean() > 0.99, bone


def test_both_rods_of_a_pair_that_lie_apart_are_kept(packages: Sequence[CoarseToFinePackage]) -> None:
    _, limbs = packages
    made = found_by(limbs)
    assert {segment.bone for segment in made.segments} == {"plate", "rod_left", "rod_right"}
    assert made.package is limbs


def test_one_result_holds_the_bones_of_both_packages(made: Segmentation) -> None:
    values = [segment.value for segment in made.segments]
    assert list(dict.fromkeys(segment.bone for segment in made.segments)) == ALL
    assert len(set(values)) == len(values)
    of = {bone: [s.value for s in made.segments if s.bone == bone] for bone in ALL}
    assert_right(made.label_map.labels, of)
    # The first package keeps its values; the other's would be the same
    assert of["middle"] == [1]
    assert min(min(each) for bone, each in of.items() if bone in ("plate", "rod_left", "rod_right")) > 30
    assert [made.package.maker_of(bone).name for bone in ALL] == ["bones"] * 3 + ["limbs"] * 3
    voxels = np.bincount(made.label_map.labels.ravel())
    assert all(s.volume_ml == pytest.approx(voxels[s.value] * 0.027) for s in made.segments)


def test_a_break_is_found_in_its_bone_alone(made: Segmentation) -> None:
    pieces = [segment for segment in made.segments if segment.fragment is not None]
    assert {segment.bone for segment in pieces} == {"rod_left"}
    labels = made.label_map.labels
    outer = labels[(U > BREAK_MM + 4) & (U < 136) & (labels > 0)]
    inner = labels[(U < BREAK_MM - 4) & (U > 109) & (labels > 0)]
    assert len({*np.unique(outer)}) == len({*np.unique(inner)}) == 1
    assert outer[0] != inner[0]


def test_a_package_that_finds_nothing_is_no_refusal_of_the_other(
    packages: Sequence[CoarseToFinePackage],
) -> None:
    bones, limbs = packages
    blind = replace(limbs, accepts=replace(limbs.accepts, minimum_probability=1.1))
    made = found_by(bones, blind)
    assert {segment.bone for segment in made.segments} == {"middle", "side_left", "side_right"}
    assert parts_of(made.package) == (bones,)
    assert not any("limbs" in text for text in made.warnings)
    assert [(each.package, each.state) for each in made.outcomes] == [
        ("bones", "segmented"),
        ("limbs", "not seen"),
    ]
    assert "no limbs found" in made.outcomes[1].sentence
    nothing = replace(bones, accepts=replace(bones.accepts, minimum_probability=1.1))
    with pytest.raises(UnsuitableError, match=r"no made-up bones found.*; no limbs found") as refused:
        found_by(nothing, blind)
    assert refused.value.code == "anatomy_not_found"


def test_a_voxel_that_two_claim_goes_to_the_more_certain(packages: Sequence[CoarseToFinePackage]) -> None:
    bones, limbs = packages
    first, other = found_by(bones), found_by(limbs)
    grid = first.label_map.grid
    everywhere = LabelMap(np.full(SHAPE, 1, np.uint8), grid)
    plate = next(segment for segment in other.segments if segment.bone == "plate")
    for mean, wins in ((2.0, True), (-0.5, False)):
        claims = replace(other, label_map=everywhere, segments=(replace(plate, network_mean=mean),))
        made = merge_segmentations([first, claims], grid)
        (of_plate,) = (s for s in made.segments if s.bone == "plate")
        share = (made.label_map.labels == of_plate.value).mean()
        assert share == 1.0 if wins else share < 1.0
        assert {s.bone for s in made.segments} == ({"plate"} if wins else {*ALL[:3], "plate"})
        assert any("claimed by two packages" in text for text in made.warnings)


@pytest.mark.parametrize(("share", "fragments"), [(0.6, [None]), (0.4, [1, 2])])
def test_a_fragment_most_of_which_another_bone_claims_is_none(
    packages: Sequence[CoarseToFinePackage], share: float, fragments: list[int | None]
) -> None:
    bones, limbs = packages
    first, other = found_by(bones), found_by(limbs)
    small = next(s for s in other.segments if s.bone == "rod_left" and s.fragment == 2)
    voxels = np.argwhere(other.label_map.labels == small.value)
    claimed = tuple(voxels[: int(share * len(voxels))].T)
    labels, grid = first.label_map.labels.copy(), first.label_map.grid
    labels[claimed] = first.segments[0].value
    sure = tuple(replace(each, network_mean=2.0) for each in first.segments)
    made = merge_segmentations([replace(first, label_map=LabelMap(labels, grid), segments=sure), other], grid)
    rod = [segment for segment in made.segments if segment.bone == "rod_left"]
    assert [segment.fragment for segment in rod] == fragments
    assert {segment.bone for segment in made.segments} == set(ALL)
    assert sum(segment.volume_ml for segment in made.segments) == pytest.approx(
        np.count_nonzero(made.label_map.labels) * 0.027
    )
    said = f"{small.label}: left out, as most of it belongs to another bone."
    assert made.warnings.count(said) == (fragments == [None])
    assert len([face for face in made.contacts if face.bone == "rod_left"]) == (fragments == [1, 2]) * len(
        other.contacts
    )


def test_of_three_fragments_two_are_left(packages: Sequence[CoarseToFinePackage]) -> None:
    made = found_by(packages[1])
    one, two = (s for s in made.segments if s.bone == "rod_left")
    labels = made.label_map.labels.copy()
    middle = tuple(np.argwhere(labels == one.value)[::2].T)
    labels[middle] = two.value + 1
    three = replace(two, value=two.value + 1, fragment=3)
    faces = [Contact("rod_left", pair, 0.9) for pair in ((1, 2), (1, 3), (2, 3))]
    segments = (*(s for s in made.segments if s.bone != "rod_left"), one, two, three)
    broken = replace(
        made,
        label_map=LabelMap(labels, made.label_map.grid),
        segments=segments,
        contacts=tuple(faces),
    )
    rest = without_pieces(broken, {two.value})
    rod = [s for s in rest.segments if s.bone == "rod_left"]
    assert [(s.value, s.fragment, s.label[-10:]) for s in rod] == [
        (one.value, 1, "fragment 1"),
        (two.value, 2, "fragment 2"),
    ]
    assert rest.contacts == (Contact("rod_left", (1, 2), 0.9),)
    np.testing.assert_array_equal(rest.label_map.labels == two.value, labels == three.value)


def test_fragments_look_unlike_the_bones_of_the_other_packages(
    packages: Sequence[CoarseToFinePackage],
) -> None:
    bones, limbs = packages
    other = found_by(limbs)
    (taken,) = (segment.rgb for segment in other.segments if segment.fragment == 1)
    alike = tuple(
        replace(label, structure=replace(label.structure, rgb=taken)) if label.name == "middle" else label
        for label in bones.labels
    )
    first = found_by(replace(bones, labels=alike))
    made = merge_segmentations([first, other], first.label_map.grid)
    shown = [segment.rgb for segment in made.segments]
    assert taken in shown
    apart = [
        float(np.linalg.norm(cielab(np.array(one)) - cielab(np.array(two))))
        for segment, one in zip(made.segments, shown, strict=True)
        for two in shown
        if segment.fragment is not None and one is not two
    ]
    assert len(apart) == 2 * (len(shown) - 1)
    assert min(apart) > 25


def test_a_segmentation_on_a_block_of_the_grid_comes_back_whole(
    packages: Sequence[CoarseToFinePackage],
) -> None:
    made = found_by(packages[1])
    block = crop_to_segments(made)
    assert block.label_map.labels.size < made.label_map.labels.size
    whole = merge_segmentations([block], made.label_map.grid)
    np.testing.assert_array_equal(whole.label_map.labels, made.label_map.labels)
    assert whole.label_map.labels.dtype == made.label_map.labels.dtype
    nothing = replace(made, label_map=LabelMap(np.zeros(SHAPE, np.uint8), made.label_map.grid), segments=())
    assert crop_to_segments(nothing) is nothing


def test_values_are_as_wide_as_they_need_to_be(packages: Sequence[CoarseToFinePackage]) -> None:
    bones, _ = packages
    crowd = [replace(bones, name=f"b{n}", labels=_renamed(bones, n)) for n in range(10)]
    made = join_packages(crowd)
    values = [value for label in made.labels for value in label.values]
    assert len(set(values)) == len(values) == 300
    assert made.highest_value == 300
    one = replace(crowd[0], labels=tuple(label for package in [made] for label in package.labels[-3:]))
    assert found_by(one).label_map.labels.dtype == np.uint16


def _renamed(package: CoarseToFinePackage, number: int) -> tuple[Label, ...]:
    names = [f"{label.name}_{number}" for label in package.labels]
    renamed = zip(package.labels, names, strict=True)
    return tuple(replace(each, structure=replace(each.structure, name=name)) for each, name in renamed)
