"""`osteon evaluate PREDICTION TRUTH`: compares each pair of label maps and writes the metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from app.evaluation.evaluation_picture import write_worst_slice
from app.evaluation.evaluation_report import CaseResult, write_json
from app.files.projection_files import is_projection_file
from operators.dicom.seg.seg_files import is_projection_seg, is_rtstruct, is_seg
from operators.errors import UnsuitableError, UsageError
from operators.evaluation import case_evaluation as evaluation
from operators.evaluation.metrics import EvaluatedBone
from operators.geometry.regridding import onto_grid, widen_box
from operators.geometry.volume import LabelMap
from operators.image_files.label_files import Labelled, is_label_file, read_label_map, stem
from operators.packages.packages import Label, ModelPackage

# Programs that write the grid of the same scan differ by float32's rounding of its origin.
SAME_GRID_MM = 0.05


def run_evaluation(
    prediction: Path, truth: Path, labels: Sequence[Label], out: Path | None = None
) -> list[CaseResult]:
    """Compares every pair of two files or folders; writes evaluation.json and pictures to `out` if given."""
    results = [_run_pair(pair, labels, out) for pair in pairs(prediction, truth)]
    if out is not None:
        write_json(results, out / "evaluation.json")
    return results


def evaluate(
    prediction: LabelMap, truth: LabelMap, labels: Sequence[Label], name: str = "case"
) -> CaseResult:
    """Compares one case with the package's values; resamples the prediction to the truth's grid."""
    prediction, notes = align_labels(prediction, truth)
    bones = [EvaluatedBone(label.name, label.values) for label in labels]
    steps_mm = truth.grid.ijk_to_lps[:3, :3]
    return CaseResult(name, evaluation.evaluate(prediction.labels, truth.labels, steps_mm, bones), notes)


def align_labels(prediction: LabelMap, truth: LabelMap) -> tuple[LabelMap, tuple[str, ...]]:
    """Returns the prediction on the truth's grid, and a note if it had to be resampled."""
    if prediction.grid.same_as(truth.grid, SAME_GRID_MM):
        return prediction, ()
    moved = onto_grid(prediction, truth.grid)
    change = f"{_volume_ml(prediction):.1f} ml became {_volume_ml(moved):.1f} ml"
    return moved, (f"prediction resampled to the truth's grid by nearest neighbour: {change}",)


def _run_pair(pair: Pair, labels: Sequence[Label], out: Path | None) -> CaseResult:
    (prediction, read_notes), (truth, true_notes) = _read_pair(pair, labels)
    if is_seg(pair.truth):
        # A SEG omits empty slices, so that its extent is smaller than the annotated volume.
        truth = widen_box(truth, prediction)
    prediction, moved_notes = align_labels(prediction, truth)
    result = evaluate(prediction, truth, labels, pair.name)
    result = replace(result, notes=(*pair.notes, *read_notes, *true_notes, *moved_notes))
    if out is None:
        return result
    picture = write_worst_slice(prediction, truth, result.metrics, out / f"{pair.name}.png")
    return replace(result, picture=picture)


def _read_pair(pair: Pair, labels: Sequence[Label]) -> tuple[Labelled, Labelled]:
    """Reads both files; an RTSTRUCT, which has no voxels, is read on the other's grid."""
    for path in (pair.prediction, pair.truth):
        require_volume(path)
    if is_rtstruct(pair.truth):
        prediction = read_label_map(pair.prediction, labels)
        return prediction, read_label_map(pair.truth, labels, prediction[0].grid)
    truth = read_label_map(pair.truth, labels)
    return read_label_map(pair.prediction, labels, truth[0].grid), truth


def require_volume(path: Path) -> None:
    """Raises UnsuitableError for outlines on a radiograph, which have no volumes and distances in mm."""
    if is_projection_file(path) or is_projection_seg(path):
        text = f"expected segments of a CT to compare, got those of a radiograph at {path.name}"
        raise UnsuitableError(text, code="radiograph_not_compared")


def _volume_ml(label_map: LabelMap) -> float:
    return float(np.count_nonzero(label_map.labels) * label_map.grid.voxel_volume_mm3 / 1000)


def labels_of(packages: Sequence[ModelPackage]) -> tuple[Label, ...]:
    """Returns the labels of all packages.

    Raises UsageError if there is none, as of radiographs, or if two packages use the same value.
    """
    labels = tuple(label for package in packages for label in package.labels)
    if not labels:
        names = ", ".join(package.name for package in packages)
        raise UsageError(f"expected a package of a CT's structures, got {names}")
    values = [value for label in labels for value in label.values]
    if len(set(values)) < len(values):
        names = ", ".join(package.name for package in packages)
        raise UsageError(f"expected --package NAME: label values mean different bones in {names}")
    return labels


BY_ORDER = "paired by order, since no name agrees"


@dataclass(frozen=True)
class Pair:
    """A prediction and its ground truth; `name` is the latter's path below its folder, without suffix."""

    name: str
    prediction: Path
    truth: Path
    notes: tuple[str, ...] = ()


def pairs(prediction: Path, truth: Path) -> list[Pair]:
    """Returns the pairs, by name if every truth has a prediction of that name, by order if no name agrees.

    Raises UsageError if neither is possible.
    """
    predictions, truths = _label_files(prediction), _label_files(truth)
    if len(predictions) == len(truths) == 1:
        return _in_order(predictions, truths, ())
    if set(truths) <= set(predictions):
        return [Pair(name, predictions[name], path) for name, path in truths.items()]
    if len(predictions) == len(truths) and not set(predictions) & set(truths):
        return _in_order(predictions, truths, (BY_ORDER,))
    raise UsageError(
        f"expected a prediction for each of {len(truths)} truths, by name or in equal number, got "
        f"{len(predictions)} predictions; missing: {', '.join(sorted(set(truths) - set(predictions)))}"
    )


def _in_order(
    predictions: Mapping[str, Path], truths: Mapping[str, Path], notes: tuple[str, ...]
) -> list[Pair]:
    ordered = zip(truths.items(), predictions.values(), strict=True)
    return [Pair(name, prediction, truth, notes) for (name, truth), prediction in ordered]


def _label_files(path: Path) -> dict[str, Path]:
    """Returns a single file, or the label maps of a folder in order, keyed by path without suffix."""
    if path.is_file():
        return {stem(path.name): path}
    files = [file for file in sorted(path.rglob("*")) if is_label_file(file)]
    if not files:
        raise UsageError("expected a file, or a folder that holds NIfTI, MetaImage, NRRD or DICOM SEG files")
    named = {stem(file.relative_to(path).as_posix()): file for file in files}
    if len(named) < len(files):
        raise UsageError("expected label maps with different names, got some that differ only in suffix")
    return named
