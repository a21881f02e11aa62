"""`osteon calibrate`."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from app.cli.train_command import RECIPE_FILE, recipe_folder
from app.cli.train_progress import training_display


def calibrate_command(
    package: str,
    data: Path,
    runs: Path,
    models: Path | None,
    cases: int,
    seed: int,
    keep_decision: bool = False,
    config: Path | None = None,
) -> int:
    """Fits the decision and the probabilities of a package whose networks are trained."""
    folder = recipe_folder(package, config, models)
    with training_display(Console(stderr=True)) as tell:
        tell("load", None, "libraries")
        from training.calibrate.calibration import calibrate
        from training.recipe import read_recipe

        recipe = read_recipe(folder / RECIPE_FILE)
        said = calibrate(folder, recipe, data, runs / "cache", cases, seed, keep_decision, tell)
    print(said)
    return 0
