"""The recipe of the networks that packages share: its classes, its held-out cases, its posed limbs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from training.recipe import read_recipe
from training.subjects.assembly import assembled
from training.subjects.meshes import Part, Points, voxels_inside
from training.subjects.posing import posed, rounded_end

ROOT = Path(__file__).parents[3]
DATA = ROOT.parent / "shared" / "data"
RECIPE = read_recipe(ROOT / "models" / "skeleton" / "training.toml")


def nothing(structure: str) -> Points:
    del structure
    return np.zeros((0, 3))


def test_both_networks_know_the_same_classes_blind_to_sides_and_the_fine_one_reads_all_of_them() -> None:
    coarse, fine = RECIPE.networks["coarse"], RECIPE.networks["fine"]
    assert coarse.classes == fine.classes
    assert fine.guide == coarse.classes[1:]
    assert not any(name.endswith(("_left", "_right")) for name in coarse.classes)
    assert "metal" in coarse.classes


@pytest.mark.real_data
@pytest.mark.parametrize("seed", range(3000, 3006))
def test_heads_lie_in_the_middle_of_their_sockets_and_touch_none(seed: int) -> None:
    table = next(row for row in RECIPE.sources.posed_bones if row.subjects)
    joint = next(joint for joint in table.joints if joint.seated)
    still = {"missing": 0.0, "flexion_deg": (0, 0), "abduction_deg": (0, 0), "rotation_deg": (0, 0)}
    rng = np.random.default_rng(seed)
    joints = [one.model_copy(update=still) for one in table.joints]
    parts = posed(rng, assembled(rng, table, DATA, nothing), joints, nothing)
    for side, sign in (("_left", 1), ("_right", -1)):
        ball, socket = (one(parts, name + side) for name in (joint.ball, joint.socket))
        assert common_mm3(ball, socket) < 600, "before the joint space is cut"
        centre, radius_mm = rounded_end(ball.points, np.array(joint.end) * [sign, 1, 1], joint.reach_mm)
        assert 17 < radius_mm < 30
        gap_mm = np.linalg.norm(socket.points - centre, axis=1) - radius_mm
        facing = cKDTree(ball.points).query(socket.points)[0] < 8
        assert 1 < np.median(gap_mm[facing]) < 6


def one(parts: list[Part], structure: str) -> Part:
    (found,) = (part for part in parts if part.structure == structure)
    return found


def common_mm3(first: Part, second: Part) -> float:
    low = np.minimum(first.points.min(axis=0), second.points.min(axis=0)) - 9
    return float(len(inside_voxels(first, low) & inside_voxels(second, low)) * 3.0**3)


def inside_voxels(part: Part, low: Points) -> set[tuple[int, ...]]:
    box, inside = voxels_inside(part, low, 3.0)
    return {tuple(place) for place in (np.argwhere(inside) + [side.start for side in box]).tolist()}
