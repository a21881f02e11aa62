"""`osteon train`."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from rich.console import Console

from app.cli.arguments import Config, Models
from app.cli.training_display import training_display
from app.settings import SOFTWARE_VERSION, read_settings
from operators.errors import ModelError, UsageError
from training.progress import Tell

if TYPE_CHECKING:
    from training.loop.runs import TrainingRun
    from training.recipe import Recipe

RECIPE_FILE = "training.toml"


@dataclass(frozen=True)
class TrainOptions:
    """The options of `osteon train`.

    Parameters
    ----------
    data
        Folder to which the recipe's paths are relative; for radiographs, a data set in Osteon's layout,
        FracAtlas or GRAZPEDWRI-DX as they are published; with --new, a data set of `osteon data import`.
    network
        Train this network only.
    runs
        Folder for checkpoints and logs.
    steps
        Number of steps, instead of the recipe's.
    minutes
        Time within which the learning rate decays to its final value; with --new, of the whole command.
    workers
        Number of processes that simulate, or draw batches of radiographs.
    seed
        Seed of the simulation and of the initial weights.
    start_from
        A checkpoint, or a package's safetensors, with the initial weights; with --new, a package.
    calibration_cases
        Simulated bones for the calibration that ends a training (`osteon calibrate`); 0 skips it.
    folds
        Cross-validate in so many folds: with --new 5 by default; of radiographs then nothing is installed.
    new
        Plan a training from the data set in --data, and install its networks as a new package of this name.
    label
        With --new, what a label is: NAME=STRUCTURE[:left|:right], or NAME=- to leave it out; repeatable.
    plan_only
        With --new, write the plan to the folder of --runs and stop.
    from_corrections
        Train a package made with --new on its corrections, and take the new networks if they are better.
    corrections
        Folder of `osteon corrections add`.
    better
        With --from-corrections, by how much the mean Dice of all folds must rise.
    worse
        With --from-corrections, how far the Dice of any structure may fall in any fold.
    """

    data: Path | None = None
    network: str | None = None
    runs: Path = Path("runs")
    models: Models = None
    steps: int | None = None
    minutes: float | None = None
    workers: int = 1
    seed: int = 0
    start_from: Path | None = None
    calibration_cases: int = 100
    folds: int | None = None
    new: str | None = None
    label: Annotated[tuple[str, ...], Parameter(negative="")] = ()
    plan_only: bool = False
    from_corrections: Annotated[bool, Parameter(negative="")] = False
    corrections: Path = Path("corrections")
    better: float = 0.01
    worse: float = 0.02
    config: Config = None

    @property
    def source(self) -> Path:
        """The folder in --data. Raises UsageError if there is none."""
        if self.data is None:
            raise UsageError("expected --data with a folder, got none")
        return self.data


Training = Callable[[str, Path, TrainOptions, Tell], Iterator[str]]


def train(
    package: str | None = None,
    /,
    *,
    options: Annotated[TrainOptions, Parameter(name="*")] = TrainOptions(),
) -> int:
    """Train the networks of PACKAGE, resuming an interrupted run, and install them.

    Its training.toml says on what: simulated CT, or radiographs with outlined fractures. With --new NAME in
    place of PACKAGE, plan the training from a data set of your own and make a package of its networks.

    Parameters
    ----------
    package
        Name of a package that has a training.toml.
    """
    with training_display(Console(stderr=True)) as tell:
        tell("load", None, "libraries")
        for line in lines_of(package, options, tell):
            print(line, flush=True)
    return 0


# Options that a training does not read; given all the same, they would be ignored
NOT_OF: dict[str, tuple[str, ...]] = {
    "PACKAGE": ("label", "plan_only", "corrections", "better", "worse"),
    "--new": ("network", "calibration_cases", "corrections", "better", "worse"),
    "--from-corrections": ("data", "network", "calibration_cases", "start_from", "plan_only"),
}


def require_read(options: TrainOptions, training: str) -> None:
    """Raises UsageError for an option that this training does not read."""
    given = [name for name in NOT_OF[training] if getattr(options, name) != getattr(TrainOptions(), name)]
    if given:
        said = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(
            f"expected options of a training with {training}, got {said}, which it does not read"
        )


def lines_of(package: str | None, options: TrainOptions, tell: Tell) -> Iterator[str]:
    """Returns the sentences of the training that was asked for. Raises UsageError."""
    if options.new is not None and package is None:
        from app.cli.training.train_new import train_new

        require_read(options, "--new")
        return train_new(options.new, options, tell)
    if options.from_corrections and package is not None and options.new is None:
        from app.cli.training.train_new import train_on_corrections

        require_read(options, "--from-corrections")
        return train_on_corrections(package, options, tell)
    if package is None or options.new is not None:
        raise UsageError(f"expected either PACKAGE or --new NAME, got {'both' if package else 'neither'}")
    require_read(options, "PACKAGE")
    start = options.start_from
    if start is not None and not start.is_file():
        raise UsageError(f"expected a checkpoint or safetensors at --start-from, {start} is not a file")
    folder = recipe_folder(package, options.config, options.models)
    return training_of(folder)(package, folder, options, tell)


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


def recipe_folder(package: str, config: Path | None, models: Path | None) -> Path:
    """Returns the folder of a package that has a recipe. Raises UsageError."""
    folder = read_settings(config, models=models).models / package
    if not (folder / RECIPE_FILE).is_file():
        raise UsageError(f"expected a recipe {package}/{RECIPE_FILE} in the models folder, found none")
    return folder
