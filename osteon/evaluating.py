"""Compares segmentations with a ground truth."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from app.evaluation.comparison import labels_of, run_evaluation
from app.evaluation.evaluation_report import CaseResult
from app.settings import read_settings
from operators.package_files.package_reader import choose_packages


def evaluate(
    prediction: str | PathLike[str],
    truth: str | PathLike[str],
    *,
    package: str | None = None,
    models: str | PathLike[str] | None = None,
    output: str | PathLike[str] | None = None,
) -> list[CaseResult]:
    """Returns the metrics of a prediction against a ground truth, for each pair of files.

    Both may be SEG, RTSTRUCT, NIfTI, NRRD, or folders of them. If given, `output` is the folder for
    evaluation.json and a picture of each pair. `package` names the package whose label values apply, which is
    necessary if several packages use the same values. Raises UnreadableError, UnsuitableError, UsageError.
    """
    settings = read_settings(models=None if models is None else Path(models))
    labels = labels_of(choose_packages(settings.models, package))
    return run_evaluation(Path(prediction), Path(truth), labels, None if output is None else Path(output))
