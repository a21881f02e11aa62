"""`osteon train`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from app.cli.training.train_options import DEFAULTS, TrainOptions
from app.cli.training_display import training_display
from operators.errors import UsageError
from training.progress import Tell


def train(
    package: str | None = None,
    /,
    *,
    options: Annotated[TrainOptions, Parameter(name="*")] = DEFAULTS,
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
    "--new": ("ct", "network", "calibration_cases", "corrections", "better", "worse"),
    "--from-corrections": (
        "data",
        "ct",
        "network",
        "calibration_cases",
        "start_from",
        "ensemble",
        "plan_only",
    ),
}


def require_read(options: TrainOptions, training: str) -> None:
    """Raises UsageError for an option that this training does not read."""
    given = [name for name in NOT_OF[training] if getattr(options, name) != getattr(DEFAULTS, name)]
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
