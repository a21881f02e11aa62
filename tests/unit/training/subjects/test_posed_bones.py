from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy import ndimage

from operators.errors import UsageError
from training.recipe_file import PosedBonesTable
from training.subjects.posed_bones import posed_subject
from training.subjects.subjects import Subject
from training.subjects.surroundings import Body

CLASSES = {"socket": ["hip_*"], "ball": ["femur_*"], "vertebra": ["vertebrae_*"]}
JOINT = {"ball": "femur", "socket": "hip", "moves": ("femur",), "reach_mm": 9.0, "gap_mm": (4.0, 4.0)}
BODY = {
    "name": "hips",
    "count": 1,
    "size": 0.0,
    "spacing_mm": 2.0,
    "surfaces": (
        {"path": "ball.ply", "bones": ("femur_left",)},
        {"path": "shell.ply", "bones": ("hip_left",)},
    ),
    "joints": (JOINT,),
    "flesh_mm": {"femur_*": (20.0, 20.0)},
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A ball of 20 mm, and a block in which it lies but for its upper half."""
    trimesh.creation.icosphere(subdivisions=4, radius=20).export(tmp_path / "ball.ply")
    block = trimesh.creation.box(extents=[60, 60, 30]).subdivide().subdivide().subdivide()
    block.apply_translation([0, 0, -24])
    block.export(tmp_path / "shell.ply")
    return tmp_path


def draw(data: Path, donor: Body | None = None, **given: object) -> Subject:
    table = PosedBonesTable.model_validate({**BODY, **given})
    return posed_subject(table, data, 7, CLASSES, donor)


def test_the_socket_recedes_by_the_joint_space_and_the_ball_stays_whole(data: Path) -> None:
    targets = draw(data).targets
    ball, socket = targets == 2, targets == 1
    assert np.count_nonzero(ball) * 8 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.03)
    between = ndimage.distance_transform_edt(~ball, sampling=2.0)[socket].min()
    assert 4 <= between < 6.5


def test_soft_tissue_as_thick_as_the_recipe_says_covers_the_bones(data: Path) -> None:
    subject = draw(data)
    ball = np.argwhere(subject.targets == 2)
    middle, top = ball.mean(axis=0).round().astype(int), int(ball[:, 2].max())
    column = subject.skin[middle[0], middle[1]]
    assert column[middle[2]] > 0
    assert column[min(top + 6, len(column) - 1)] > 0 or len(column) - 1 < top + 6
    assert subject.skin[0, 0, 0] < 0


def test_one_seed_gives_one_body_and_another_seed_another(data: Path) -> None:
    table = PosedBonesTable.model_validate({**BODY, "size": 0.2})
    first, again, other = (posed_subject(table, data, seed, CLASSES, None).structures for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or (first != other).any()


def test_the_body_around_keeps_all_but_the_bones_that_are_replaced(data: Path) -> None:
    structures = np.zeros((40, 40, 40), np.uint8)
    structures[5:35, 5:35, 5:35], structures[10:14, 10:14, 30:34], structures[30:34, 30:34, 30:34] = 1, 2, 3
    donor = Body(structures, {1: "muscle", 2: "vertebrae_L5", 3: "femur_left"}, 2.0)
    row = {**BODY["surfaces"][0], "origin_mm": (40.0, 40.0, 40.0)}  # type: ignore[index]
    around = {"path": "donor.nii.gz", "names": {"1": "muscle"}}
    subject = draw(data, donor, surfaces=(row,), joints=(), around=around)
    assert np.count_nonzero(subject.targets == 3) == 4**3
    assert np.count_nonzero(subject.targets == 2) * 8 == pytest.approx(4 / 3 * np.pi * 20**3, rel=0.03)


def test_a_pose_in_which_a_bone_comes_to_lie_in_another_is_refused(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.subjects.posed_bones.TRIES", 2)
    below = {"path": "ball.ply", "bones": ("tibia_left",), "origin_mm": (0.0, 0.0, -120.0)}
    before = {"path": "ball.ply", "bones": ("patella_left",), "origin_mm": (0.0, -120.0, 0.0)}
    joint = {**JOINT, "moves": ("femur", "tibia"), "flexion_deg": (90.0, 90.0)}
    surfaces = (*BODY["surfaces"], below, before)  # type: ignore[misc]
    with pytest.raises(UsageError, match="without crossing bones"):
        draw(data, surfaces=surfaces, joints=(joint,))
    assert draw(data, surfaces=surfaces).name == "hips 7"
