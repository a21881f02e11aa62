"""Labelled CTs as training images: values and classes of the data set; unknown voxels teach nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from operators.errors import UsageError
from operators.geometry.volume import LabelMap
from tests.support.training.synthetic_datasets import BONE_HU, TISSUE_HU, made_case, write_image, write_mask
from training.loop.class_loss import ClassLoss
from training.recipe_file import LabelledCtTable
from training.simulate.patches import LABELLED_POSE, has_both_sides, mirrored, pose_of, side_swaps
from training.simulate.simulated_ct import Sample, simulate
from training.subjects.labelled_cts import cases_of, files_of, labelled_subject
from training.subjects.subjects import NOT_OURS, Subject

NAMES = {"1": "femur_left", "2": "femur_right"}
CLASSES = {"femur_right": ["femur_right"], "femur_left": ["femur_left"]}
ROW = LabelledCtTable(folder=".", names=NAMES, ignore=5)


def written(folder: Path, ignored: bool = False) -> Subject:
    image, labels = made_case()
    if ignored:
        marked = np.where(np.indices(labels.labels.shape)[0] < 10, 5, labels.labels).astype(np.uint8)
        labels = LabelMap(marked, labels.grid)
    write_image(image, folder / "images" / "a.nii.gz")
    write_mask(labels, folder / "labels" / "a.nii.gz")
    return labelled_subject(files_of(folder, ROW, "a"), ROW, CLASSES, 2.0, NOT_OURS)


def test_a_subject_has_the_cts_values_and_the_labels_classes(tmp_path: Path) -> None:
    subject = written(tmp_path)
    assert subject.is_real
    assert subject.hu is not None
    assert pose_of(subject) is LABELLED_POSE
    assert subject.spacing_mm.tolist() == [1.5] * 3
    own = subject.targets
    assert sorted(np.unique(own).tolist()) == [0, 1, 2]
    # Label 1 is the larger bone, whose class is the second
    assert np.count_nonzero(own == 2) > np.count_nonzero(own == 1)
    for number in (1, 2):
        assert np.median(subject.hu[own == number]) == pytest.approx(BONE_HU, abs=20)


def test_a_patch_shows_the_ct_itself_where_its_target_says(tmp_path: Path) -> None:
    subject = written(tmp_path)
    centre = np.argwhere(subject.targets == 2).mean(axis=0)
    sample = simulate(np.random.default_rng(0), subject, centre, (24, 24, 24), 2.0, LABELLED_POSE)
    bone, rest = sample.hu[sample.target == 2], sample.hu[sample.target == 0]
    assert len(bone) > 50
    assert np.median(bone) > TISSUE_HU + 200 > np.median(rest)


def test_voxels_that_nobody_labelled_add_nothing_to_the_loss(tmp_path: Path) -> None:
    subject = written(tmp_path, ignored=True)
    assert NOT_OURS in subject.targets
    target = torch.from_numpy(subject.targets[:24, :24, :16].astype(np.int64))[None]
    assert (target == NOT_OURS).any()
    assert (target < NOT_OURS).any()
    loss, logits = ClassLoss(None, ((),)), torch.zeros(1, 3, 24, 24, 16)
    other = logits.clone()
    other[:, 2][target == NOT_OURS] = 9.0
    assert loss(other, target) == pytest.approx(float(loss(logits, target)))
    other[:, 2] = 9.0
    assert loss(other, target) > loss(logits, target) + 1


def test_all_images_are_cases_unless_some_are_named(tmp_path: Path) -> None:
    for name in ("b", "a.x", "c"):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name}.nii.gz").touch()
    assert cases_of(tmp_path, ROW) == ["a.x", "b", "c"]
    assert cases_of(tmp_path, ROW.model_copy(update={"cases": ("b",)})) == ("b",)
    with pytest.raises(UsageError, match="expected images elsewhere"):
        cases_of(tmp_path, ROW.model_copy(update={"folder": "elsewhere"}))
    with pytest.raises(UsageError, match=r"expected labels/b\.nii\.gz in the data folder, found none"):
        files_of(tmp_path, ROW, "b")


def test_patches_are_mirrored_only_where_both_sides_are_classes() -> None:
    sample = Sample(np.zeros((4, 4, 4), np.float32), np.zeros((4, 4, 4), np.uint8))
    sample.target[0] = 1
    assert not has_both_sides(("background", "femur_left", "sacrum"))
    assert has_both_sides(("background", "femur_left", "femur_right", "sacrum"))
    for seed in range(8):
        assert mirrored(np.random.default_rng(seed), sample, None) is sample
    swaps = side_swaps(("background", "femur_left", "femur_right"))
    turned = [mirrored(np.random.default_rng(seed), replace(sample), swaps).target for seed in range(8)]
    assert any((each[-1] == 2).all() and not (each == 1).any() for each in turned)
