"""Pairs predictions with their ground truth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from operators.errors import UsageError
from operators.image_files.label_files import is_label_file, stem

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
