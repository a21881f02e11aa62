"""Simulated CT of a body: repeatable, with correct sides, and absent classes marked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray

from operators.errors import UsageError
from training.sampling import Pose, patch_coordinates
from training.simulate.patches import as_tensors, mirrored, places_by_class, side_swaps
from training.simulate.simulated_ct import Added, Sample, centre_spots, draw_centre, simulate
from training.subjects.subjects import (
    NOT_OURS,
    Subject,
    class_of,
    from_structures,
    load_lps,
    negative_subject,
)
from training.subjects.tissues import Tissue, tissue_of

CLASSES = ("background", "middle", "wing_left", "wing_right")
PATTERNS = {"middle": ["sacrum"], "wing_left": ["hip_left"], "wing_right": ["hip_right"]}
NAMES = {0: "fat", 1: "sacrum", 2: "hip_left", 3: "hip_right", 4: "colon"}
STILL = Pose(rotation_deg=0, scale=0, bend_mm=0)
CENTRE = np.array([19.5, 15.5, 11.5])


def body() -> Subject:
    """Axes to left, posterior, superior: the left bone has the higher first index."""
    structures = np.zeros((40, 32, 24), np.uint8)
    structures[18:22, 12:20, 4:20] = 1
    structures[28:34, 10:22, 4:20] = 2
    structures[6:12, 10:22, 4:20] = 3
    structures[14:26, 4:8, 8:16] = 4
    return from_structures("box", structures, NAMES, PATTERNS, 2.0, 10)


def sample(seed: int, subject: Subject, pose: Pose = STILL) -> Sample:
    return simulate(np.random.default_rng(seed), subject, CENTRE, (40, 32, 24), 2.0, pose)


def mean_index(mask: NDArray[np.bool_]) -> float:
    return float(np.argwhere(mask)[:, 0].mean())


def test_a_seed_gives_the_same_sample_and_another_seed_another() -> None:
    subject = body()
    first, again, other = (sample(seed, subject, Pose()) for seed in (3, 3, 4))
    assert np.array_equal(first.hu, again.hu)
    assert np.array_equal(first.target, again.target)
    assert not np.array_equal(first.hu, other.hu)


def test_a_patch_taken_straight_has_the_bodys_own_classes() -> None:
    subject = body()
    taken = sample(1, subject).target
    assert np.array_equal(taken, subject.targets)


def test_bone_is_brighter_than_what_lies_around_it_and_outside_is_air() -> None:
    subject = body()
    for seed in range(5):
        rng = np.random.default_rng(seed)
        made = simulate(rng, subject, CENTRE, (40, 32, 24), 2.0, STILL)
        soft = (subject.structures == 0) & (subject.skin > 0)
        assert made.hu[made.target > 0].mean() > made.hu[soft].mean()
        assert made.hu.min() >= -1024
        assert made.hu.max() <= 3071


def test_mirrored_samples_swap_their_sides() -> None:
    swaps = side_swaps(CLASSES)
    made = sample(1, body())
    results = [mirrored(np.random.default_rng(seed), made, swaps) for seed in range(8)]
    assert len({float(result.hu[0, 16, 12]) for result in results}) == 2
    for result in results:
        left, right = CLASSES.index("wing_left"), CLASSES.index("wing_right")
        assert mean_index(result.target == left) > mean_index(result.target == right)
        assert np.count_nonzero(result.target == 1) == np.count_nonzero(made.target == 1)


def test_marks_that_are_no_class_survive_mirroring() -> None:
    swaps = side_swaps(CLASSES)
    assert swaps[NOT_OURS] == NOT_OURS
    assert [swaps[n] for n in range(4)] == [0, 1, 3, 2]
    assert [side_swaps(("background", "wing"))[n] for n in range(2)] == [0, 1]


def test_a_mirrored_sample_becomes_tensors_in_the_window() -> None:
    made = mirrored(np.random.default_rng(0), sample(1, body()), side_swaps(CLASSES))
    patch, target = as_tensors(made, (-200.0, 1300.0))
    assert tuple(patch.shape) == (1, 40, 32, 24)
    assert 0 <= float(patch.min()) <= float(patch.max()) <= 1
    assert int(target.max()) == 3


def test_coordinates_without_pose_step_by_the_ratio_of_the_spacings() -> None:
    rng = np.random.default_rng(0)
    at = patch_coordinates(rng, np.array([10.0, 10, 10]), (5, 5, 5), 3.0, np.array([1.0, 2, 3]), STILL)
    assert np.allclose(at[:, 2, 2, 2], 10)
    assert np.allclose(np.diff(at[0], axis=0), 3)
    assert np.allclose(np.diff(at[1], axis=1), 1.5)
    assert np.allclose(np.diff(at[2], axis=2), 1)


def test_patches_are_centred_on_every_class_alike() -> None:
    subject = body()
    spots = centre_spots(np.random.default_rng(0), subject, per_class=50)
    assert [(value, len(voxels)) for value, voxels in spots.items()] == [(1, 50), (2, 50), (3, 50)]
    assert all((subject.targets[tuple(voxels.T)] == value).all() for value, voxels in spots.items())
    assert draw_centre(np.random.default_rng(0), subject, spots[1][:0], 0.0).shape == (3,)


def test_a_class_that_one_subject_shows_has_that_subject_alone() -> None:
    whole = body()
    without = replace(whole, name="without", classes=np.where(whole.classes == 2, 0, whole.classes))
    places = places_by_class(np.random.default_rng(0), [whole, without])
    names = {value: [subject.name for subject, _ in each] for value, each in places.items()}
    assert names == {1: [whole.name, "without"], 2: [whole.name], 3: [whole.name, "without"]}
    bare = replace(whole, classes=np.zeros_like(whole.classes))
    ((subject, spots),) = places_by_class(np.random.default_rng(0), [bare])[0]
    assert (subject, spots.shape) == (bare, (0, 3))


def test_dense_voxels_of_a_negative_are_marked_as_not_ours(tmp_path: Path) -> None:
    hu = np.full((6, 6, 6), 40, np.int16)
    hu[1:3, 4, 5] = 700
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([3.0, 3, 3, 1])), tmp_path / "neck.nii.gz")
    subject = negative_subject(tmp_path / "neck.nii.gz", 3.0)
    assert np.count_nonzero(subject.targets == NOT_OURS) == 2
    assert set(np.unique(subject.targets)) == {0, NOT_OURS}
    assert (
        subject.targets[tuple(centre_spots(np.random.default_rng(0), subject)[NOT_OURS].T)] == NOT_OURS
    ).all()
    made = simulate(np.random.default_rng(0), subject, np.full(3, 2.5), (6, 6, 6), 3.0, STILL)
    assert np.count_nonzero(made.target == NOT_OURS) == 2
    assert made.hu[made.target == NOT_OURS].mean() > made.hu[made.target == 0].mean()


def test_other_groups_of_negatives_have_other_marks_which_reach_into_marrow(tmp_path: Path) -> None:
    hu = np.full((30, 30, 30), 40, np.int16)
    hu[8:22, 8:22, :] = 700
    hu[10:20, 10:20, :] = -60
    nibabel.save(nibabel.Nifti1Image(hu, np.diag([3.0, 3, 3, 1])), tmp_path / "leg.nii.gz")
    targets = negative_subject(tmp_path / "leg.nii.gz", 3.0, group=2, unknown_mm=15.0).targets
    assert set(np.unique(targets)) == {0, NOT_OURS - 2}
    assert (targets[10:20, 10:20] == NOT_OURS - 2).all()
    assert (targets[:3] == 0).all()


def test_metal_is_a_class_of_its_own_where_one_is_given() -> None:
    subject = body()
    bare = Added(implants=1.0)
    for seed in range(8):
        with_class, without = (
            simulate(np.random.default_rng(seed), subject, CENTRE, (40, 32, 24), 2.0, STILL, added)
            for added in (replace(bare, metal=9), bare)
        )
        metal = with_class.target == 9
        np.testing.assert_array_equal(with_class.hu, without.hu)
        np.testing.assert_array_equal(with_class.target[~metal], without.target[~metal])
        assert 9 not in without.target
        if metal.sum() > 30:
            assert np.median(with_class.hu[metal]) > 1500
            return
    raise AssertionError("expected metal in one of eight patches")


def test_nifti_files_are_turned_to_left_posterior_superior(tmp_path: Path) -> None:
    array = np.zeros((3, 4, 5), np.uint8)
    array[0, 1, 2] = 7
    nibabel.save(nibabel.Nifti1Image(array, np.diag([1.0, 2, 3, 1])), tmp_path / "ras.nii.gz")
    turned, spacing_mm = load_lps(tmp_path / "ras.nii.gz")
    assert turned[2, 2, 2] == 7
    assert spacing_mm.tolist() == [1, 2, 3]


def test_a_missing_file_is_named_below_the_data_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected maps/none.nii.gz in the data folder"):
        load_lps(tmp_path / "maps" / "none.nii.gz")


def test_a_subjects_own_texture_is_kept_in_its_bones() -> None:
    subject = body()
    hu = np.where(subject.structures > 0, 900, 0).astype(np.int16)
    seen = [sample(seed, replace(subject, hu=hu)).hu[subject.targets == 2].mean() for seed in range(6)]
    assert 900 * 0.6 < float(np.median(seen)) < 900 * 1.4


def test_structures_without_a_row_count_as_muscle_and_classes_take_the_first_match() -> None:
    assert tissue_of("gluteus_maximus_left") == Tissue(25, 80)
    assert tissue_of("vertebrae_L4").bone
    assert tissue_of("tibia_left") == tissue_of("vertebrae_L4")
    with pytest.raises(UsageError, match=r"expected a structure that tissues.toml names, got 'xiphoid'"):
        tissue_of("xiphoid")
    assert class_of("hip_left", PATTERNS) == 2
    assert class_of("colon", PATTERNS) == 0
