"""`osteon evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from app.evaluation.comparison import run_evaluation
from app.evaluation.evaluation_report import as_json, show
from app.run.folder import named_packages
from app.settings import read_settings
from operators.errors import UsageError
from operators.package_files.package_reader import read_packages
from operators.packages.packages import Label, ModelPackage


def evaluate_command(
    prediction: Path,
    truth: Path,
    output: Path | None,
    package: str | None,
    json_: bool,
    config: Path | None,
    models: Path | None,
) -> int:
    """Compares two files or folders; results also go to `output`, where one is named."""
    packages = named_packages(read_packages(read_settings(config, models=models).models), package)
    labels = labels_of(packages)
    results = run_evaluation(prediction, truth, labels, output)
    if json_:
        print(as_json(results))
    else:
        show(results, Console())
    return 0


def labels_of(packages: Sequence[ModelPackage]) -> tuple[Label, ...]:
    """Returns the labels of all packages. Raises UsageError where a value means a bone in each of two."""
    labels = tuple(label for package in packages for label in package.labels)
    values = [value for label in labels for value in label.values]
    if len(set(values)) < len(values):
        names = ", ".join(package.name for package in packages)
        raise UsageError(f"expected --package NAME: label values mean different bones in {names}")
    return labels
