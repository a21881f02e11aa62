"""`osteon train`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from app.cli.arguments import Config, Models
from app.cli.training_display import training_display
from operators.errors import UsageError
from training.progress import Tell


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
    ensemble
        With --new, install the networks of all folds as one that averages them, not those of the best fold.
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
    ensemble: Annotated[bool, Parameter(negative="")] = False
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
    "PACKAGE": ("label", "ensemble", "plan_only", "corrections", "better", "worse"),
    "--new": ("network", "calibration_cases", "corrections", "better", "worse"),
    "--from-corrections": ("data", "network", "calibration_cases", "start_from", "ensemble", "plan_only"),
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
    from app.cli.training.recipes import recipe_folder, training_of

    folder = recipe_folder(package, options.config, options.models)
    return training_of(folder)(package, folder, options, tell)
