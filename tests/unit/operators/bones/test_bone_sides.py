"""Sides of single bones: by the trunk, by their own shape, or not at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.bones import bone_sides
from operators.bones.bone_sides import bones_of, owners_of, side_by_trunk, side_of_bone
from operators.bones.handedness import Handedness
from operators.bones.sides import MidlinePlane
from operators.geometry.surface_fit import Similarity
from operators.geometry.volume import Grid
from operators.packages.packages import Detection, Label
from operators.packages.structures import LATERALITY, Side
from tests.support.packages.labels import made_label

Mask = NDArray[np.bool_]
GRID = Grid((60, 20, 60), np.diag([4.0, 4.0, 4.0, 1.0]))


def test_fits_alike_have_no_side_and_bad_fits_have_none_either() -> None:
    good, bad = Similarity(np.eye(3), np.zeros(3), 1.0, 0.5), Similarity(np.eye(3), np.zeros(3), 1.0, 4.0)
    worse = replace(bad, misfit_mm=9.0)
    assert Handedness(0.5, {"left": good, "right": good}).side() is None
    assert Handedness(0.999, {"left": bad, "right": worse}).side() is None
    assert Handedness(0.999, {"left": good, "right": bad}).side() == "left"


def by_shape(side: Side, probability: float = 1.0) -> Handedness:
    """Returns the handedness of a bone that fits one side better."""
    good, bad = Similarity(np.eye(3), np.zeros(3), 1.0, 0.5), Similarity(np.eye(3), np.zeros(3), 1.0, 1.0)
    left = probability if side == "left" else 1 - probability
    return Handedness(left, {"left": good, "right": bad} if side == "left" else {"left": bad, "right": good})


def labels_of_pair(unknown: int) -> list[Label]:
    one_by_one = Detection("limb", "limb", 1.0, "by_bone")
    sided = [
        made_label(f"limb_{side}", side, n, n, code, detection=one_by_one)
        for n, (side, code) in enumerate(LATERALITY.items(), start=1)
    ]
    return [
        *sided,
        *(made_label(f"limb_{n}", "limb", 3 + n, 3 + n, detection=one_by_one) for n in range(unknown)),
    ]


def crossed_legs() -> Mask:
    """Returns two rods that begin on their own sides below a trunk and cross over the midline."""
    mask = np.zeros(GRID.shape, bool)
    for k in range(50):
        i = 12 + round(0.7 * k)
        mask[i : i + 4, 2:6, 50 - k] = True
        mask[60 - i - 4 : 60 - i, 13:17, 50 - k] = True
    return mask


def test_crossed_legs_belong_to_the_side_on_which_they_begin() -> None:
    plane = MidlinePlane(np.array([1.0, 0, 0]), 118.0, np.array([118.0, 40.0, 230.0]))
    owners, _ = owners_of(crossed_legs(), GRID, labels_of_pair(0), plane)
    near, far = owners[:, :, 48], owners[:, :, 4]
    assert (int(near[:25].max()), int(near[35:].max())) == (2, 1)
    assert (int(far[:25].max()), int(far[35:].max())) == (1, 2)


@pytest.mark.parametrize(
    ("normal", "offset_mm"), [([1.0, 0.0, 0.0], 20.0), ([1.0, 0.0, 0.0], 300.0), ([0.0, 1.0, 0.0], 40.0)]
)
def test_a_plane_that_is_not_the_bodys_gives_no_side(normal: list[float], offset_mm: float) -> None:
    trunk = np.array([118.0, 40.0, 230.0])
    plane, wrong = (
        MidlinePlane(np.array(n), mm, trunk) for n, mm in (([1, 0, 0], 118.0), (normal, offset_mm))
    )
    for bone in bones_of(crossed_legs(), GRID):
        assert side_by_trunk(bone, GRID, wrong) in (None, side_by_trunk(bone, GRID, plane))
    assert None in [side_by_trunk(bone, GRID, wrong) for bone in bones_of(crossed_legs(), GRID)]


def test_a_patient_on_the_side_whose_header_says_supine_has_bones_of_no_side() -> None:
    above, below = np.zeros(GRID.shape, bool), np.zeros(GRID.shape, bool)
    above[28:33, 1:5], below[27:32, 15:19] = True, True
    plane = MidlinePlane(np.array([1.0, 0, 0]), 118.0, np.array([118.0, 40.0, 230.0]))
    assert [side_by_trunk(bone, GRID, plane) for bone in (above, below)] == [None, None]


def test_without_a_trunk_and_a_mean_shape_no_bone_gets_a_side() -> None:
    apart = MidlinePlane(np.array([1.0, 0, 0]), 118.0)
    owners, left_out = owners_of(crossed_legs(), GRID, labels_of_pair(2), apart)
    assert set(np.unique(owners)) == {0, 3, 4}
    assert left_out == ()
    assert np.count_nonzero(owners == 3) == np.count_nonzero(owners == 4)


def test_bones_without_a_trunk_have_the_sides_of_their_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_place(bone: Mask, *_: object) -> Handedness:
        return by_shape("right" if bone[:, 2:6].any() else "left")

    monkeypatch.setattr(bone_sides, "handedness_of", by_place)
    owners, _ = owners_of(crossed_legs(), GRID, labels_of_pair(0), None)
    assert set(np.unique(owners[:, 2:6])) == {0, 2}
    assert set(np.unique(owners[:, 13:17])) == {0, 1}


@pytest.mark.parametrize(("probability", "unknown"), [(0.999, True), (0.97, False)])
def test_only_a_shape_that_contradicts_the_trunk_beyond_doubt_leaves_the_side_unknown(
    monkeypatch: pytest.MonkeyPatch, probability: float, unknown: bool
) -> None:
    plane = MidlinePlane(np.array([1.0, 0, 0]), 118.0, np.array([118.0, 40.0, 230.0]))
    first, _ = bones_of(crossed_legs(), GRID)
    by_trunk = side_of_bone(first, GRID, None, plane)
    other: Side = "left" if by_trunk == "right" else "right"
    monkeypatch.setattr(bone_sides, "handedness_of", lambda *_: by_shape(other, probability))
    assert side_of_bone(first, GRID, None, plane) == (None if unknown else by_trunk)


def test_a_second_bone_of_one_side_gets_no_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bone_sides, "handedness_of", lambda *_: by_shape("left"))
    owners, _ = owners_of(crossed_legs(), GRID, labels_of_pair(1), None)
    assert set(np.unique(owners)) == {0, 1, 3}


def test_a_bone_without_a_free_label_is_left_out_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bone_sides, "handedness_of", lambda *_: by_shape("left"))
    owners, left_out = owners_of(crossed_legs(), GRID, labels_of_pair(0), None)
    assert set(np.unique(owners)) == {0, 1}
    text = "a bone of 51 ml, for which the package has no label left, was left out."
    assert left_out == (f"Bone, left: {text}",)
    monkeypatch.setattr(bone_sides, "handedness_of", lambda *_: None)
    owners, left_out = owners_of(crossed_legs(), GRID, labels_of_pair(1), None)
    assert set(np.unique(owners)) == {0, 3}
    assert left_out == (f"Bone (side unknown): {text}",)


def test_what_is_smaller_than_any_label_may_be_is_no_bone_that_is_left_out() -> None:
    mask = np.zeros(GRID.shape, bool)
    mask[:2, :2, :2] = True
    owners, left_out = owners_of(mask, GRID, labels_of_pair(0), None)
    assert not owners.any()
    assert left_out == ()


def test_a_small_piece_belongs_to_the_bone_near_it() -> None:
    mask = np.zeros(GRID.shape, bool)
    mask[5:10, 5:10, 5:40], mask[5:9, 5:9, 45:48], mask[45:50, 5:10, 5:40] = True, True, True
    one, other = bones_of(mask, GRID)
    assert {int(bone[6, 6, 46]) for bone in (one, other)} == {0, 1}
    assert (one | other).sum() == mask.sum()


def test_the_mean_shape_that_ships_is_small_and_names_its_source() -> None:
    folder = Path(__file__).parents[4] / "models" / "shapes"
    files = sorted(folder.glob("*.json"))
    assert files
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert len(text) < 50_000
        assert '"source"' in text
        assert '"licence"' in text
