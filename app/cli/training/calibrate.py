"""`osteon calibrate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from app.cli.arguments import Config, Models
from app.cli.training.recipes import RECIPE_FILE, recipe_folder
from app.cli.training_display import training_display
from operators.errors import UsageError


@dataclass(frozen=True)
class CalibrateOptions:
    """The options of `osteon calibrate`.

    Parameters
    ----------
    data
        Folder to which the recipe's paths are relative.
    runs
        Folder whose cache holds loaded subjects.
    cases
        Number of simulated bones; the decision is fitted on three fifths, the probabilities on the rest.
    seed
        Seed of the simulation.
    keep_decision
        Fit the probabilities only and keep the present decision.
    keep_presence
        Keep the present probability that a bone is there, the longest part of the fit.
    """

    data: Path
    runs: Path = Path("runs")
    models: Models = None
    cases: int = 100
    seed: int = 0
    keep_decision: bool = False
    keep_presence: bool = False
    config: Config = None


def calibrate(package: str, /, *, options: Annotated[CalibrateOptions, Parameter(name="*")]) -> int:
    """Calibrate the fracture decision and the probabilities of PACKAGE on simulated and intact bones.

    Writes both into package.toml, and a reliability diagram beside the model card. A training ends with it.

    Parameters
    ----------
    package
        Name of a package whose networks are trained.
    """
    folder = recipe_folder(package, options.config, options.models)
    with training_display(Console(stderr=True)) as tell:
        tell("load", None, "libraries")
        from training.calibrate.calibration import CalibrationRun
        from training.recipe import SIMULATED_CT, read_recipe, subjects_of

        if subjects_of(folder / RECIPE_FILE) != SIMULATED_CT:
            raise UsageError(f"expected a recipe on simulated CT to calibrate, {package} has another")
        run = CalibrationRun(
            folder,
            read_recipe(folder / RECIPE_FILE),
            options.data,
            options.runs / "cache",
            cases=options.cases,
            seed=options.seed,
            keep_decision=options.keep_decision,
            keep_presence=options.keep_presence,
            tell=tell,
        )
        summary = run.calibrate()
    print(summary)
    return 0
