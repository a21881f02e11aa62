"""From class probabilities to bones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.bones.find import Look, all_clusters, largest_cluster, region_of_interest
from operators.bones.regions import (
    BoneRegion,
    BoneRegions,
    bone_regions,
    kept_classes,
    sides_plane,
    without_strays,
    write_channels,
)
from operators.bones.sides import MidlinePlane
from operators.geometry.resampling import interpolate_scalar
from operators.geometry.volume import Box, Grid
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import Label
from tests.support.packages.synthetic_packages import COARSE, FINE, centred_affine, made_package, positions

PACKAGE = made_package()
SHAPE = (40, 36, 32)
GRID = Grid(SHAPE, centred_affine(np.eye(3) * 2, SHAPE))
MIDLINE = MidlinePlane(np.array([1.0, 0.0, 0.0]), 0.0)
X_MM = positions(SHAPE, GRID.ijk_to_lps)[..., 0]


def without_minimum(label: Label) -> Label:
    return replace(label, detection=replace(label.found_by, minimum_ml=0.0))


def probabilities(classes: tuple[str, ...], blocks: dict[str, NDArray[np.bool_]]) -> NDArray[np.float32]:
    """0.9 for a class in its block, 0.9 for background elsewhere."""
    values = np.full((len(classes), *SHAPE), 0.1 / (len(classes) - 1), np.float32)
    background = np.ones(SHAPE, bool)
    for name, block in blocks.items():
        values[classes.index(name)][block] = 0.9
        background &= ~block
    values[0][background] = 0.9
    return values


def block(start: tuple[int, int, int], stop: tuple[int, int, int]) -> NDArray[np.bool_]:
    mask = np.zeros(SHAPE, bool)
    mask[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))] = True
    return mask


def regions(
    values: NDArray[np.float32], package: CoarseToFinePackage, plane: MidlinePlane | None
) -> tuple[BoneRegion, ...]:
    """The bones in the fine network's probabilities (classes, I, J, K)."""
    return found_regions(values, package, plane).bones


def found_regions(
    values: NDArray[np.float32], package: CoarseToFinePackage, plane: MidlinePlane | None
) -> BoneRegions:
    """The bones, and what was left out of them."""
    channels = np.empty((2 + len(kept_classes(package)), *SHAPE), np.float32)
    write_channels(values, package, channels)
    return bone_regions(channels, GRID, package, plane)


def place_of(bone: BoneRegion) -> tuple[slice, ...]:
    """The bone's part of GRID."""
    offset = np.linalg.solve(GRID.ijk_to_lps, bone.grid.ijk_to_lps[:, 3])[:3]
    starts = [int(each) for each in np.rint(offset)]
    return tuple(slice(a, a + n) for a, n in zip(starts, bone.margin.shape, strict=True))


SIDES = block((4, 8, 8), (36, 18, 18))
MIDDLE = block((16, 20, 8), (24, 28, 18))


def test_one_class_for_both_sides_becomes_two_bones_at_the_plane() -> None:
    found = regions(probabilities(FINE, {"side": SIDES, "middle": MIDDLE}), PACKAGE, MIDLINE)
    assert [bone.label.name for bone in found] == ["middle", "side_left", "side_right"]
    for bone, expected in zip(found, (MIDDLE, SIDES & (X_MM > 0), SIDES & (X_MM < 0)), strict=True):
        at = interpolate_scalar(bone.margin, bone.grid, GRID, -1.0) > 0
        np.testing.assert_array_equal(at, expected)
        assert bone.network_mean == pytest.approx(0.9)


@settings(max_examples=8)
@given(seed=st.integers(0, 10_000), shift=st.tuples(*[st.floats(-1, 1)] * 3), turn=st.floats(-0.5, 0.5))
def test_no_two_bones_overlap_after_interpolation(
    seed: int, shift: tuple[float, float, float], turn: float
) -> None:
    rng = np.random.default_rng(seed)
    coarse = rng.random((3, 5, 5, 5), np.float32)
    logits = np.kron(coarse, np.ones((1, 8, 8, 8), np.float32))[:, :40, :36, :32] * 6
    values = np.exp(logits + rng.random(logits.shape, np.float32))
    values /= values.sum(axis=0)
    plane = MidlinePlane(np.array([np.cos(turn), np.sin(turn), 0.0]), 3.0)
    package = replace(PACKAGE, labels=tuple(without_minimum(label) for label in PACKAGE.labels))
    affine = centred_affine(np.eye(3) * 1.3 + 0.2, (60, 60, 50))
    affine[:3, 3] += shift
    target = Grid((60, 60, 50), affine)
    taken = np.zeros(target.shape, int)
    for bone in regions(values, package, plane):
        taken += interpolate_scalar(bone.margin, bone.grid, target, -1.0) > 0
    assert taken.max() <= 1


@settings(max_examples=10)
@given(seed=st.integers(0, 10_000))
def test_classes_that_a_package_does_not_deliver_count_as_the_likeliest_of_them(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logits = (
        np.kron(rng.random((6, 5, 5, 5), np.float32), np.ones((1, 8, 8, 8), np.float32))[:, :40, :36, :32] * 6
    )
    values = np.exp(logits + rng.random(logits.shape, np.float32))
    values /= values.sum(axis=0)
    fine = replace(PACKAGE.fine, classes=(*FINE, "other", "one more", "and another"))
    alone = replace(PACKAGE, fine=fine, labels=(without_minimum(PACKAGE.labels[0]),))
    (bone,) = regions(values, alone, MIDLINE)
    own = values[1]
    rest = np.delete(values, 1, axis=0).max(axis=0)
    there = place_of(bone)
    margin = (own - rest)[there]
    # Where pieces were left out as strays the margin changes its sign
    np.testing.assert_array_equal(np.abs(bone.margin), np.abs(margin))
    np.testing.assert_array_equal(bone.rivals, (values[2:].max(axis=0) >= own)[there])
    np.testing.assert_array_equal(bone.others, (values[2:].max(axis=0) > np.maximum(values[0], own))[there])


def test_the_look_lists_what_is_likelier_than_not_and_large_enough() -> None:
    values = probabilities(COARSE, {"middle": MIDDLE, "side_left": block((1, 1, 1), (3, 3, 3))})
    unsure = block((30, 20, 8), (38, 30, 20))
    values[:, unsure] = np.array([0.3, 0.1, 0.15, 0.45], np.float32)[:, None]
    (seen,) = Look(values, GRID, PACKAGE.coarse, 1.0).seen
    assert seen.name == "middle"
    assert seen.network_mean == pytest.approx(0.9)
    assert seen.volume_ml == pytest.approx(MIDDLE.sum() * 0.008)
    low, high = (GRID.ijk_to_lps @ (*at, 1.0) for at in ((15.5, 19.5, 7.5), (23.5, 27.5, 17.5)))
    assert seen.low_mm == pytest.approx(tuple(low[:3]))
    assert seen.high_mm == pytest.approx(tuple(high[:3]))


def test_of_two_bones_the_one_without_a_free_label_is_named() -> None:
    middle, left, _ = PACKAGE.labels
    by_bone = replace(left, detection=replace(left.found_by, instances="by_bone"))
    alone = replace(by_bone, structure=replace(left.structure, laterality=None))
    package = replace(PACKAGE, labels=(middle, alone))
    both = block((2, 8, 8), (10, 18, 18)) | block((30, 8, 8), (36, 18, 18))
    found = found_regions(probabilities(FINE, {"side": both, "middle": MIDDLE}), package, None)
    assert [bone.label.name for bone in found.bones] == ["middle", "side_left"]
    larger = interpolate_scalar(found.bones[1].margin, found.bones[1].grid, GRID, -1.0) > 0
    np.testing.assert_array_equal(larger, block((2, 8, 8), (10, 18, 18)))
    assert found.left_out == (
        "Bone (side unknown): a bone of 5 ml, for which the package has no label left, was left out.",
    )


def test_a_missing_bone_gives_none() -> None:
    found = regions(probabilities(FINE, {"side": SIDES & (X_MM > 0)}), PACKAGE, MIDLINE)
    assert [bone.label.name for bone in found] == ["side_left"]


def test_less_of_a_bone_than_the_package_asks_for_gives_none() -> None:
    small = block((16, 20, 8), (20, 24, 15))
    values = probabilities(FINE, {"middle": small})
    assert regions(values, PACKAGE, MIDLINE) == ()
    enough = block((16, 20, 8), (21, 25, 14))
    values = probabilities(FINE, {"middle": enough})
    assert len(regions(values, PACKAGE, MIDLINE)) == 1


def test_bones_whose_side_is_unknown_are_left_out_and_named() -> None:
    found = found_regions(probabilities(FINE, {"side": SIDES, "middle": MIDDLE}), PACKAGE, None)
    assert [bone.label.name for bone in found.bones] == ["middle"]
    volume_ml = np.count_nonzero(SIDES & ~MIDDLE) * GRID.voxel_volume_mm3 / 1000
    assert found.left_out == (
        f"Bone: {volume_ml:.0f} ml were left out, as no other bone in view tells their side.",
    )
    assert found_regions(probabilities(FINE, {"middle": MIDDLE}), PACKAGE, None).left_out == ()


def test_no_bone_is_made_of_nothing_where_the_package_asks_for_no_volume() -> None:
    package = replace(PACKAGE, labels=(without_minimum(PACKAGE.labels[0]),))
    assert regions(probabilities(FINE, {}), package, MIDLINE) == ()


def test_strays_are_dropped_and_near_or_large_pieces_stay() -> None:
    shape = (90, 30, 30)
    grid = Grid(shape, np.diag([2.0, 2.0, 2.0, 1.0]))
    pieces = {
        "main": (slice(0, 20), slice(0, 20), slice(0, 20)),
        "near chip": (slice(25, 28), slice(5, 8), slice(5, 8)),
        "near speck": (slice(25, 27), slice(12, 14), slice(12, 14)),
        "far small": (slice(45, 50), slice(0, 5), slice(0, 5)),
        "far large": (slice(60, 70), slice(0, 10), slice(0, 10)),
    }
    mask = np.zeros(shape, bool)
    for piece in pieces.values():
        mask[piece] = True
    kept = without_strays(mask, grid)
    assert {name for name, piece in pieces.items() if kept[piece].any()} == {"main", "near chip", "far large"}
    assert not (kept & ~mask).any()


def test_a_stray_that_was_dropped_is_no_bone_in_the_margin_either() -> None:
    stray = block((36, 32, 28), (38, 34, 30))
    values = probabilities(FINE, {"middle": block((2, 2, 2), (14, 14, 14)) | stray})
    bone = regions(values, PACKAGE, MIDLINE)[0]
    assert not (interpolate_scalar(bone.margin, bone.grid, GRID, -1.0) > 0)[stray].any()


def test_the_greatest_cluster_is_kept_with_the_pieces_near_it() -> None:
    found = np.zeros((60, 20, 20), bool)
    found[0:8, 0:8, 0:8] = True
    found[12:16, 0:4, 0:4] = True
    found[50:57, 0:8, 0:8] = True
    kept = largest_cluster(found, (4.0, 4.0, 4.0), PACKAGE)
    expected = found.copy()
    expected[40:] = False
    np.testing.assert_array_equal(kept, expected)


def test_all_clusters_as_large_as_the_smallest_bone_may_be_kept() -> None:
    found = np.zeros((60, 20, 20), bool)
    found[0:8, 0:8, 0:8] = True
    found[50:57, 0:8, 0:8] = True
    speck = found.copy()
    speck[30:32, 10:12, 10:12] = True
    assert 1000 * PACKAGE.labels[0].found_by.minimum_ml > 8 * 64
    np.testing.assert_array_equal(all_clusters(speck, (4.0, 4.0, 4.0), PACKAGE), found)


def test_the_region_of_interest_holds_the_bones_and_a_margin() -> None:
    values = probabilities(COARSE, {"middle": MIDDLE})
    spec = replace(PACKAGE.coarse, spacing_mm=(2.0, 2.0, 2.0))
    box = region_of_interest(Look(values, GRID, spec), PACKAGE, 8.0)
    assert box is not None
    assert (box.start, box.stop) == ((12, 16, 4), (28, 32, 22))
    wide = region_of_interest(Look(values, GRID, spec), PACKAGE, 500.0)
    assert wide is not None
    assert wide.shape == SHAPE


def test_there_is_no_region_of_interest_where_no_bone_was_found() -> None:
    look = Look(probabilities(COARSE, {}), GRID, PACKAGE.coarse)
    assert region_of_interest(look, PACKAGE, 8.0) is None


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_what_the_network_is_not_sure_of_is_not_found(share: float) -> None:
    values = probabilities(COARSE, {"middle": MIDDLE})
    values = np.where(MIDDLE, share * values + (1 - share) / len(COARSE), values).astype(np.float32)
    asked = replace(PACKAGE, accepts=replace(PACKAGE.accepts, minimum_probability=0.8))
    look = Look(values, GRID, PACKAGE.coarse)
    box = region_of_interest(look, asked, 8.0)
    assert (box is not None) == (share == 0.9)
    assert region_of_interest(look, PACKAGE, 8.0) is not None


def test_the_plane_between_the_sides_comes_from_the_coarse_classes() -> None:
    left, right = block((24, 8, 8), (36, 18, 18)), block((4, 8, 8), (12, 18, 18))
    values = probabilities(COARSE, {"side_left": left, "side_right": right})
    plane = sides_plane(Look(values, GRID, PACKAGE.coarse), Box((0, 0, 0), SHAPE), PACKAGE)
    assert plane is not None
    at = plane.left_of(GRID.ijk_to_lps, SHAPE)
    assert at[left].all()
    assert not at[right].any()


def test_a_joint_taken_for_a_bone_of_the_midline_moves_no_plane_where_the_trunk_is_in_view() -> None:
    left, right = block((26, 8, 4), (38, 18, 14)), block((2, 8, 4), (14, 18, 14))
    knee, trunk = block((0, 20, 0), (4, 24, 4)), block((13, 4, 16), (27, 32, 30))
    values = probabilities(COARSE, {"side_left": left | right, "middle": knee | trunk})
    middle, *pair = PACKAGE.labels
    blind = [replace(each, detection=replace(each.found_by, coarse_class="side_left")) for each in pair]
    package = replace(PACKAGE, labels=(middle, *blind))
    plane = sides_plane(Look(values, GRID, package.coarse), Box((0, 0, 0), (40, 36, 15)), package)
    assert plane is not None
    at = plane.left_of(GRID.ijk_to_lps, SHAPE)
    assert at[left].all()
    assert not at[right].any()
