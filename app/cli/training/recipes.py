"""The trainings that a package's training.toml describes: the table TRAININGS."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.training.train_options import TrainOptions
from app.settings import SOFTWARE_VERSION, read_settings
from operators.errors import ModelError, UsageError
from training.progress import Tell

if TYPE_CHECKING:
    from training.loop.runs import TrainingRun
    from training.recipe import Recipe

RECIPE_FILE = "training.toml"
Training = Callable[[str, Path, TrainOptions, Tell], Iterator[str]]


def recipe_folder(package: str, config: Path | None, models: Path | None) -> Path:
    """Returns the folder of a package that has a recipe. Raises UsageError."""
    folder = read_settings(config, models=models).models / package
    if not (folder / RECIPE_FILE).is_file():
        raise UsageError(f"expected a recipe {package}/{RECIPE_FILE} in the models folder, found none")
    return folder


def training_of(folder: Path) -> Training:
    """The row of TRAININGS that a package's training.toml names. Raises ModelError."""
    from training.recipe import subjects_of

    subjects = subjects_of(folder / RECIPE_FILE)
    if subjects not in TRAININGS:
        known = ", ".join(TRAININGS)
        raise ModelError(f"expected subjects in {RECIPE_FILE} to be one of {known}, got {subjects!r}")
    return TRAININGS[subjects]


def train_on_radiographs(package: str, folder: Path, options: TrainOptions, tell: Tell) -> Iterator[str]:
    """Trains on radiographs; sentences on what was made. Raises UsageError for options of others."""
    from training.radiograph.radiograph_recipe import read_radiograph_recipe
    from training.radiograph.radiograph_run import RadiographRun
    from training.radiograph.radiograph_run import train as train_radiographs

    if options.network or options.start_from:
        raise UsageError(f"expected neither --network nor --start-from for {package}: it has one network")
    run = RadiographRun(
        read_radiograph_recipe(folder / RECIPE_FILE),
        options.source,
        options.runs,
        folder,
        steps=options.steps,
        minutes=options.minutes,
        ct=options.ct,
        seed=options.seed,
        workers=options.workers,
        tell=tell,
    )
    return train_radiographs(run, options.folds)


def train_on_simulated_ct(package: str, folder: Path, options: TrainOptions, tell: Tell) -> Iterator[str]:
    """Trains on simulated CT; sentences on what was made. Raises UsageError for an unknown network."""
    from training.calibrate.calibration import CalibrationRun
    from training.export import train_and_install
    from training.recipe import read_recipe

    if options.folds:
        raise UsageError(f"expected no --folds for {package}: its images are simulated")
    recipe = read_recipe(folder / RECIPE_FILE)
    if not recipe.networks:
        raise UsageError(
            f"expected networks to train in the recipe of {package}, got none: they are shared; train the "
            f"packages that they belong to, and calibrate {package}"
        )
    for name in [options.network] if options.network else list(recipe.networks):
        installed = train_and_install(training_run(recipe, name, options), folder, tell)
        yield f"{name}: trained, installed in {package} with SHA-256 {installed.sha256}"
        yield f"{name}: its training is described in {installed.report.parent.name}/{installed.report.name}"
    if options.calibration_cases and complete(folder):
        cache, cases = options.runs / "cache", options.calibration_cases
        yield CalibrationRun(
            folder, recipe, options.source, cache, cases, options.seed, tell=tell
        ).calibrate()


def training_run(recipe: Recipe, name: str, options: TrainOptions) -> TrainingRun:
    """Returns the training of one network on this machine. Raises UsageError for an unknown network."""
    from training.device import training_device
    from training.loop.runs import TrainingRun

    if name not in recipe.networks:
        raise UsageError(f"expected one of the networks {', '.join(recipe.networks)}, got {name!r}")
    return TrainingRun(
        recipe,
        recipe.networks[name].on(training_device().type),
        options.source,
        options.runs,
        seed=options.seed,
        workers=options.workers,
        steps=options.steps,
        start_from=options.start_from,
        minutes=options.minutes,
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        software=software(),
    )


def refuse_again(package: str, folder: Path, options: TrainOptions, tell: Tell) -> Iterator[str]:
    """Raises UsageError: a package that was made of a data set is not trained in its own folder."""
    del folder, options, tell
    raise UsageError(
        f"expected --new with a name for another training on a data set, got {package}, installed"
    )


# By the key `subjects` of training.toml
TRAININGS: dict[str, Training] = {
    "simulated_ct": train_on_simulated_ct,
    "radiograph": train_on_radiographs,
    "labelled_ct": refuse_again,
}


def software() -> str:
    """Returns Osteon's version, with the commit if this is a checkout."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        asked = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return SOFTWARE_VERSION
    return f"{SOFTWARE_VERSION} {asked.stdout.strip()}".strip()


def complete(folder: Path) -> bool:
    """Returns whether a folder is a package with all weights; the calibration needs its whole pipeline."""
    from operators.package_files.package_reader import PACKAGE_FILE, read_package

    return (folder / PACKAGE_FILE).exists() and all(
        network.weights.is_file() for network in read_package(folder / PACKAGE_FILE).networks
    )
