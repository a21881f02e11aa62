"""`osteon train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from app.settings import read_settings
from operators.errors import UsageError

RECIPE_FILE = "training.toml"


@dataclass(frozen=True)
class TrainOptions:
    """What the command line gave; see `osteon train --help`."""

    data: Path
    network: str | None
    runs: Path
    models: Path | None
    steps: int | None
    minutes: float | None
    workers: int
    seed: int
    start_from: Path | None
    calibration_cases: int = 0


def train_command(package: str, options: TrainOptions) -> int:
    """Trains a package's networks, one after the other, and installs each when it is done."""
    from training.calibration import calibrate
    from training.export import export
    from training.recipe import read_recipe
    from training.trainer import TrainingRun, cache_of, train

    folder = recipe_folder(package, options.models)
    recipe = read_recipe(folder / RECIPE_FILE)
    names = [options.network] if options.network else list(recipe.networks)
    for name in names:
        if name not in recipe.networks:
            raise UsageError(f"expected one of the networks {', '.join(recipe.networks)}, got {name!r}")
        run = TrainingRun(
            recipe, recipe.networks[name], options.data, options.runs, options.seed, options.workers,
            options.steps, options.start_from, options.minutes,
        )
        checkpoint = train(run)
        sha256 = export(checkpoint, folder, name)
        print(f"{name}: trained, installed in {package} with SHA-256 {sha256}")
    if options.calibration_cases and complete(folder):
        print(calibrate(folder, recipe, options.data, cache_of(run), options.calibration_cases, run.seed))
    return 0


def complete(folder: Path) -> bool:
    """Whether all weights of a package are there: probabilities are those of the whole chain."""
    from operators.imaging.package_file import PACKAGE_FILE, read_package

    return all(network.weights.is_file() for network in read_package(folder / PACKAGE_FILE).networks)


def recipe_folder(package: str, models: Path | None) -> Path:
    """The folder of a package that has a recipe. Raises UsageError."""
    folder = read_settings(models=models).models / package
    if not (folder / RECIPE_FILE).is_file():
        raise UsageError(f"expected a recipe {package}/{RECIPE_FILE} in the models folder, found none")
    return folder
