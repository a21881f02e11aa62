"""The options of `osteon train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from app.cli.arguments import Config, Models
from operators.errors import UsageError


@dataclass(frozen=True)
class TrainOptions:
    """The options of `osteon train`.

    Parameters
    ----------
    data
        Folder to which the recipe's paths are relative; for radiographs, a data set in Osteon's layout,
        FracAtlas or GRAZPEDWRI-DX as they are published; with --new, a data set of `osteon data import`.
    ct
        For radiographs, the folder of the CTs whose projections show other body parts (`projections`).
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
    ct: Path | None = None

    @property
    def source(self) -> Path:
        """The folder in --data. Raises UsageError if there is none."""
        if self.data is None:
            raise UsageError("expected --data with a folder, got none")
        return self.data


# What none of the options given means
DEFAULTS = TrainOptions()
