"""The bones that were found, and whether they are present."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from operators.bones.regions import BoneRegion
from operators.errors import UsageError
from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import read_coarse_to_fine_package
from tests.support.packages.synthetic_packages import made_package, write_package
from training.calibrate import presence
from training.calibrate.presence import (
    Bodies,
    PresenceCase,
    bodies_and_negatives,
    bones_present,
    cut_scan,
    is_there,
)
from training.phantoms import PHANTOMS

LABEL = made_package().labels[1]
# In the truth's own numbers, which are not the package's
BONES = {label.name: range(40 * n + 1, 40 * n + 11) for n, label in enumerate(made_package().labels)}
FIRST = BONES[LABEL.name].start
SHAPE = (40, 36, 44)
GRID = Grid(SHAPE, np.diag([2.0, 2.0, 2.0, 1.0]))


def body() -> tuple[CtVolume, LabelMap]:
    """A block of bone, all of it LABEL's, in soft tissue."""
    truth = np.zeros(SHAPE, np.uint8)
    truth[10:30, 10:26, 12:32] = FIRST
    truth[20:30, 10:26, 12:32] = FIRST + 1
    return CtVolume(np.where(truth > 0, 700, 40).astype(np.int16), GRID), LabelMap(truth, GRID)


@pytest.mark.parametrize(("shift", "there"), [(0, True), (4, True), (12, False), (30, False)])
def test_a_bone_is_there_where_half_of_it_and_of_its_truth_are_one(shift: int, there: bool) -> None:
    _, truth = body()
    margin = np.where(np.roll(truth.labels, shift, axis=0) > 0, 0.8, -0.8).astype(np.float32)
    nowhere = np.zeros(SHAPE, bool)
    bone = BoneRegion(LABEL, margin, nowhere, nowhere, GRID, 0.9)
    ct = CtVolume(np.zeros(SHAPE, np.int16), GRID)
    assert is_there(bone, PresenceCase(ct, truth, BONES)) is there
    assert is_there(bone, PresenceCase(ct, None)) is False


def test_a_cut_case_keeps_bone_and_truth_together() -> None:
    ct, truth = body()
    for seed in range(5):
        case = cut_scan(np.random.default_rng(seed), ct, truth)
        assert case.truth is not None
        assert case.ct.hu.shape[2] >= 14
        np.testing.assert_array_equal(case.ct.hu > 500, case.truth.labels > 0)
        corner = case.ct.grid.ijk_to_lps[:3, 3] / 2
        start = tuple(np.rint(corner).astype(int))
        assert case.truth.labels[0, 0, 0] == truth.labels[start]


def test_a_ct_without_the_anatomy_is_a_case_without_truth(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(np.full((6, 7, 8), 30, np.int16), np.diag([1.0, 1.0, 3.0, 1.0]))
    nibabel.save(image, tmp_path / "neck.nii.gz")
    (cases,) = bodies_and_negatives(Bodies(), [tmp_path / "neck.nii.gz"], 0)
    assert [case.truth for case in cases] == [None] * 6
    assert {case.ct.grid.spacing_mm for case in cases} == {(1.0, 1.0, 3.0)}


def test_every_bone_found_is_scored_and_held_against_the_truth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks that see the first bone everywhere find it in the body's CT, where another is, and in none."""
    package = read_coarse_to_fine_package(write_package(tmp_path / "bones", sees_bone=True))
    ct, truth = body()
    cases = [[PresenceCase(ct, truth, BONES)], [PresenceCase(ct, None)]]
    monkeypatch.setattr(presence, "bodies_and_negatives", lambda *_: iter(cases))
    rows = bones_present(package, Networks(Device("torch", 1)), Bodies(), [], 0)
    assert [(there, number) for _, there, number in rows] == [(False, 0), (False, 1)]
    assert all(score > 3 for score, _, _ in rows)


def test_a_package_is_calibrated_on_phantoms_that_show_its_bones(tmp_path: Path) -> None:
    package = read_coarse_to_fine_package(write_package(tmp_path / "bones"))
    bodies = Bodies(PHANTOMS["pelvis"], 1)
    with pytest.raises(UsageError, match="expected one that shows middle, side_left, side_right for bones"):
        bones_present(package, Networks(Device("torch", 1)), bodies, [], 0)
