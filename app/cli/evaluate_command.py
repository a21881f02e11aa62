"""`osteon evaluate`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from app.evaluation.comparison import run_evaluation
from app.evaluation.evaluation_report import as_json, show
from app.run.folder import named_packages
from app.settings import read_settings
from operators.package_files.package_reader import read_packages


def evaluate_command(
    prediction: Path, truth: Path, output: Path | None, package: str | None, json_: bool,
    config: Path | None, models: Path | None,
) -> int:
    """Compares two files or folders; results also go to `output`, where one is named."""
    packages = named_packages(read_packages(read_settings(config, models=models).models), package)
    labels = tuple(label for chosen in packages for label in chosen.labels)
    results = run_evaluation(prediction, truth, labels, output)
    if json_:
        print(as_json(results))
    else:
        show(results, Console())
    return 0
