"""`osteon calibrate`."""

from __future__ import annotations

from pathlib import Path

from app.train_command import RECIPE_FILE, recipe_folder


def calibrate_command(
    package: str, data: Path, runs: Path, models: Path | None, cases: int, seed: int,
    keep_decision: bool = False,
) -> int:
    """Fits the decision and the probabilities of a package whose networks are trained."""
    from training.calibration import calibrate
    from training.recipe import read_recipe

    folder = recipe_folder(package, models)
    recipe = read_recipe(folder / RECIPE_FILE)
    print(calibrate(folder, recipe, data, runs / "cache", cases, seed, keep_decision))
    return 0
