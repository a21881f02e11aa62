"""The benchmark of whole bodies: how a bone of a simulated CT is scored, and the page's rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.bodies.cases import Cases, read_cases
from benchmarks.bodies.measuring import BoneScore, in_sphere, score_bone
from benchmarks.bodies.page import real_rows, warnings
from operators.geometry.spheres import Sphere
from operators.geometry.volume import Grid
from operators.packages.structures import Structures, read_structures

Mask = NDArray[np.bool_]
GRID = Grid((60, 60, 60), np.diag([2.0, 2.0, 2.0, 1.0]))
STRUCTURES = read_structures()
CASES: Cases = read_cases()


def slab(low: int, high: int) -> Mask:
    mask = np.zeros(GRID.shape, np.bool_)
    mask[low:high, 10:30, 10:30] = True
    return mask


def scored(name: str, true: Mask, found: dict[str, Mask], structures: Structures = STRUCTURES) -> BoneScore:
    return score_bone(name, true, found, CASES, structures, GRID)


def test_a_dice_counts_any_side_of_the_structure_and_says_how_much_had_the_wrong_one() -> None:
    found = {"hip_left": slab(10, 16), "hip_right": slab(16, 20), "sacrum": slab(20, 30)}
    score = scored("hip_left", slab(10, 20), found)
    # The right one holds less than half of the bone: its own voxels are not counted as this bone's
    assert score.dice == pytest.approx(2 * 10 / (6 + 10))
    assert score.other_side == pytest.approx(0.4)
    assert score.no_side == 0
    assert score.head_to_socket is None


def test_a_bone_that_was_not_found_has_a_dice_of_zero() -> None:
    score = scored("hip_left", slab(10, 20), {"hip_right": slab(40, 50)})
    assert (score.dice, score.other_side) == (0, 0)


def test_what_the_socket_got_of_a_head_is_its_share_of_the_sphere() -> None:
    ball = in_sphere(Sphere(np.array([60.0, 60.0, 60.0]), 24.0, 0.0, 1.0, np.ones(1, np.bool_)), GRID)
    taken = ball & (np.arange(60) < 25)[:, None, None]
    score = scored("femur_left", ball, {"femur_left": ball & ~taken, "hip_left": taken})
    assert score.head_to_socket == pytest.approx(taken.sum() / ball.sum(), abs=0.01)
    whole = scored("femur_left", ball, {"femur_unknown_1": ball})
    assert (whole.head_to_socket, whole.no_side) == (0, 1)
    assert whole.centre_mm == pytest.approx(0, abs=0.1)
    assert whole.radius_mm == pytest.approx(0, abs=0.1)


def test_a_real_ct_names_what_is_not_there_and_what_is_missed() -> None:
    row: dict[str, Any] = {
        "case": "a chest",
        "shows": ["humerus", "rib"],
        "found": {"humerus_left": 3, "femur_unknown_1": 1},
        "code": "segmented",
        "warnings": ["A piece was left out."],
    }
    assert list(real_rows([row])) == [
        ("a chest", "humerus, rib", "humerus_left, femur_unknown_1", "femur", "rib", "2")
    ]
    assert list(warnings([row])) == ["- a chest: A piece was left out."]
