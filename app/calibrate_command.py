"""`osteon calibrate`."""

from __future__ import annotations

from pathlib import Path

from app.train_command import RECIPE_FILE, recipe_folder


def calibrate_command(
    package: str, data: Path, runs: Path, models: Path | None, cases: int, seed: int
) -> int:
    """Fits the decision and the probabilities of a package whose networks are trained."""
    from training.calibration import calibrate
    from training.recipe import read_recipe

    folder = recipe_folder(package, models)
    print(calibrate(folder, read_recipe(folder / RECIPE_FILE), data, runs / "cache", cases, seed))
    return 0
