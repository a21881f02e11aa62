"""Evaluation of files: reading, pairing, alignment to one grid, and the written metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import nibabel
import numpy as np
import pytest
import SimpleITK
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from app.evaluation.comparison import evaluate, pairs, run_evaluation
from app.evaluation.evaluation_picture import in_truth_colours
from app.evaluation.evaluation_report import show, summary
from operators.dicom.seg.seg_reader import SegmentInfo
from operators.dicom.seg.value_mapping import values_of
from operators.errors import UnreadableError, UnsuitableError, UsageError
from operators.geometry.regridding import onto_grid, widen_box
from operators.geometry.volume import Grid, LabelMap
from operators.image_files.label_files import read_label_map, read_nifti
from operators.packages.packages import Label
from operators.packages.structures import Code
from tests.support.packages.labels import made_label

ANATOMY, BONE = Code("91723000", "SCT", "Anatomical Structure"), Code("29836001", "SCT", "Hip")
LEFT, RIGHT = Code("7771000", "SCT", "Left"), Code("24028007", "SCT", "Right")
AFFINE_RAS = np.diag([-0.8, -0.8, 2.0, 1.0])


def label(name: str, first: int, side: Code) -> Label:
    return made_label(name, name, first, first + 2, side, type_=BONE)


LABELS = (label("left", 1, LEFT), label("right", 4, RIGHT))


def broken(shape: tuple[int, int, int] = (20, 12, 10)) -> NDArray[np.uint8]:
    """Left bone in two fragments, right bone intact; no symmetry."""
    labels = np.zeros(shape, dtype=np.uint8)
    labels[2:6, 3:8, 2:7] = 1
    labels[6:9, 3:8, 2:7] = 2
    labels[12:17, 4:10, 3:6] = 4
    return labels


def save(path: Path, labels: NDArray[np.generic], affine: NDArray[np.float64] = AFFINE_RAS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(labels, affine), path)
    return path


def flipped(labels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """The same labels with the first axis reversed and the other two swapped, and their affine."""
    to_old = np.array([[-1.0, 0, 0, labels.shape[0] - 1], [0, 0, 1, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    return np.swapaxes(labels[::-1], 1, 2), AFFINE_RAS @ to_old


def segment(value: int, side: Code | None, fragment: int | None, region: Code = BONE) -> SegmentInfo:
    return SegmentInfo(value, "", "", fragment, ANATOMY, BONE, region, side, "")


def test_equal_files_score_one_and_leave_json_and_a_picture(tmp_path: Path) -> None:
    truth = save(tmp_path / "truth.nii.gz", broken())
    out = tmp_path / "new" / "out"
    [result] = run_evaluation(truth, truth, LABELS, out)
    assert result.metrics.fragment.iou == 1
    assert result.notes == ()
    content = json.loads((out / "evaluation.json").read_text())
    assert content["cases"][0]["fragment_iou"] == 1
    assert content["cases"][0]["detail"]["bones"][0]["fragments"][1]["value"] == 2
    assert content["summary"]["anatomy_iou"] == {"mean": 1, "least": 1, "greatest": 1, "cases": 1}
    with Image.open(out / "truth.png") as picture:
        assert picture.mode == "RGB"


def test_a_prediction_stored_in_another_orientation_scores_the_same_and_says_so(tmp_path: Path) -> None:
    truth = save(tmp_path / "truth.nii.gz", broken())
    turned = save(tmp_path / "turned.nii.gz", *flipped(broken()))
    [result] = run_evaluation(turned, truth, LABELS)
    assert result.metrics.anatomy.iou == 1
    assert "resampled to the truth's grid" in result.notes[0]


def test_nifti_is_read_as_lps_and_itk_files_lie_at_the_same_place(tmp_path: Path) -> None:
    nifti, meta = save(tmp_path / "a.nii.gz", broken()), tmp_path / "a.mha"
    SimpleITK.WriteImage(SimpleITK.ReadImage(str(nifti)), str(meta))
    one, (other, _) = read_nifti(nifti), read_label_map(meta, LABELS)
    np.testing.assert_allclose(one.grid.ijk_to_lps, np.diag([0.8, 0.8, 2.0, 1.0]), rtol=1e-6)
    np.testing.assert_allclose(other.grid.ijk_to_lps, one.grid.ijk_to_lps, rtol=1e-6)
    np.testing.assert_array_equal(other.labels, one.labels)


@pytest.mark.parametrize(
    "values", [np.full((2, 2, 2), 0.5), np.full((2, 2, 2), -1.0), np.full((2, 2, 2), np.nan), np.ones((2, 2))]
)
def test_a_file_that_holds_no_labels_is_unreadable(tmp_path: Path, values: NDArray[np.float64]) -> None:
    with pytest.raises(UnreadableError):
        read_nifti(save(tmp_path / "a.nii.gz", values))


def test_a_broken_file_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    path.write_bytes(b"no NIfTI")
    with pytest.raises(UnreadableError):
        read_nifti(path)


def test_values_of_no_bone_are_left_out_and_named(tmp_path: Path) -> None:
    labels = broken()
    labels[0, 0, 0] = 99
    [result] = run_evaluation(save(tmp_path / "p.nii", labels), save(tmp_path / "t.nii", broken()), LABELS)
    assert result.metrics.anatomy.iou == 1
    assert "[99]" in result.notes[0]


def test_segments_take_their_bones_values_by_code_and_side_and_fragments_in_order() -> None:
    lesion = Code("1", "SCT", "other region")
    segments = (
        segment(1, RIGHT, None),
        segment(2, LEFT, 2),
        segment(3, LEFT, 1),
        segment(5, LEFT, None, lesion),
    )
    assert values_of(segments, LABELS) == {3: 1, 2: 2, 1: 4}


def test_a_segment_of_a_paired_bone_without_its_side_is_refused_and_not_guessed() -> None:
    with pytest.raises(UnsuitableError, match="expected segments of left, right"):
        values_of([segment(4, None, None)], LABELS)


def test_more_fragments_than_a_bone_has_values_are_refused() -> None:
    with pytest.raises(UnsuitableError):
        values_of([segment(n, LEFT, n) for n in range(1, 5)], LABELS)


def test_folders_are_paired_by_name_whatever_the_kind_of_file(tmp_path: Path) -> None:
    for name in ("b", "a"):
        save(tmp_path / "truth" / f"{name}.nii", broken())
    for name in ("a", "b", "extra"):
        save(tmp_path / "prediction" / f"{name}.nii.gz", broken())
    found = pairs(tmp_path / "prediction", tmp_path / "truth")
    assert [(pair.name, pair.prediction.name) for pair in found] == [("a", "a.nii.gz"), ("b", "b.nii.gz")]
    assert all(pair.notes == () for pair in found)


def test_folders_without_a_common_name_are_paired_by_order_and_say_so(tmp_path: Path) -> None:
    for folder, names in (("truth", ("x", "y")), ("prediction", ("case1", "case2"))):
        for name in names:
            save(tmp_path / folder / f"{name}.nii", broken())
    found = pairs(tmp_path / "prediction", tmp_path / "truth")
    assert [(pair.name, pair.prediction.name) for pair in found] == [("x", "case1.nii"), ("y", "case2.nii")]
    assert all("by order" in pair.notes[0] for pair in found)


@pytest.mark.parametrize("names", [("a",), ("a", "c"), ("x", "y", "z")])
def test_folders_that_do_not_fit_are_a_usage_error_that_names_what_is_missing(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    for folder, files in (("truth", ("a", "b")), ("prediction", names)):
        for name in files:
            save(tmp_path / folder / f"{name}.nii", broken())
    with pytest.raises(UsageError, match=r"b$"):
        pairs(tmp_path / "prediction", tmp_path / "truth")


def test_a_folder_without_label_maps_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("none here")
    with pytest.raises(UsageError):
        pairs(tmp_path, tmp_path)


def test_nearest_neighbour_undoes_any_of_the_48_orientations_exactly() -> None:
    source = LabelMap(broken(), Grid((20, 12, 10), AFFINE_RAS))
    signs = np.array(np.meshgrid([1, -1], [1, -1], [1, -1])).T.reshape(-1, 3)
    for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
        for sign in signs:
            turned = _turned(source, order, sign)
            np.testing.assert_array_equal(onto_grid(turned, source.grid).labels, source.labels)


def test_labels_outside_the_grid_are_dropped_and_a_widened_grid_keeps_them() -> None:
    whole = LabelMap(broken(), Grid((20, 12, 10), AFFINE_RAS))
    part = LabelMap(np.zeros((4, 12, 3), dtype=np.uint8), _shifted(whole.grid, (4, 0, 5)))
    assert np.count_nonzero(onto_grid(whole, part.grid).labels) < np.count_nonzero(whole.labels)
    held = onto_grid(whole, widen_box(part, whole).grid)
    np.testing.assert_array_equal(onto_grid(held, whole.grid).labels, whole.labels)


def test_a_prediction_far_from_the_truth_counts_as_empty() -> None:
    truth = LabelMap(broken(), Grid((20, 12, 10), AFFINE_RAS))
    far = LabelMap(broken(), _shifted(truth.grid, (500, 0, 0)))
    assert evaluate(far, truth, LABELS).metrics.anatomy.iou == 0


def test_predicted_fragments_are_drawn_in_the_colour_of_the_fragment_that_they_match() -> None:
    grid = Grid((20, 12, 10), AFFINE_RAS)
    swapped = np.array([0, 2, 1, 3, 4], dtype=np.uint8)[broken()]
    metrics = evaluate(LabelMap(swapped, grid), LabelMap(broken(), grid), LABELS).metrics
    np.testing.assert_array_equal(in_truth_colours(LabelMap(swapped, grid), metrics), broken())


def test_the_table_shows_each_case_their_mean_and_a_lone_cases_bones(tmp_path: Path) -> None:
    truth = save(tmp_path / "truth" / "one.nii", broken())
    save(tmp_path / "truth" / "two.nii", broken())
    save(tmp_path / "p" / "one.nii", broken())
    save(tmp_path / "p" / "two.nii", np.where(broken() == 2, 1, broken()).astype(np.uint8))
    results = run_evaluation(tmp_path / "p", tmp_path / "truth", LABELS)
    several, alone = Console(record=True, width=110), Console(record=True, width=110)
    show(results, several)
    show(run_evaluation(truth, truth, LABELS), alone)
    assert "greatest" in several.export_text()
    assert "right" in alone.export_text()
    merged = summary(results)["merges"]
    assert merged is not None
    assert (merged.mean, merged.least, merged.greatest) == (0.5, 0, 1)


def _shifted(grid: Grid, steps: tuple[int, int, int]) -> Grid:
    moved = grid.ijk_to_lps.copy()
    moved[:3, 3] = (grid.ijk_to_lps @ [*steps, 1])[:3]
    return Grid(grid.shape if steps[0] > 99 else (4, 12, 3), moved)


def _turned(source: LabelMap, order: tuple[int, ...], sign: NDArray[np.int_]) -> LabelMap:
    labels = np.transpose(source.labels, order)
    affine = source.grid.ijk_to_lps[:, [*order, 3]].copy()
    for axis in np.flatnonzero(sign < 0):
        affine[:, 3] += affine[:, axis] * (labels.shape[axis] - 1)
        affine[:, axis] *= -1
    labels = np.flip(labels, tuple(np.flatnonzero(sign < 0)))
    return LabelMap(cast(NDArray[np.uint8], labels), Grid(labels.shape, affine))
