"""`osteon train --data DATASET --new NAME`: a package from a data set of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.train import TrainOptions, software
from app.settings import read_settings
from operators.errors import UsageError
from training.progress import Tell

if TYPE_CHECKING:
    from operators.packages.packages import NetworkSpec
    from training.datasets.layout import Dataset

NewTraining = Callable[[str, "Dataset", Path, TrainOptions, Tell], Iterator[str]]
FOLDS = 5


def train_new(name: str, options: TrainOptions, tell: Tell) -> Iterator[str]:
    """Returns the sentences of a training on a data set. Raises UsageError, UnreadableError."""
    from training.datasets.layout import read_dataset

    dataset = read_dataset(options.data)
    models = read_settings(options.config, models=options.models).models
    return KINDS[dataset.tables.kind](name, dataset, models, options, tell)


def train_on_volumes(
    name: str, dataset: Dataset, models: Path, options: TrainOptions, tell: Tell
) -> Iterator[str]:
    """Trains on labelled CTs, cross-validated; see `training.labelled_ct`."""
    from training.labelled_ct.labelled_run import LabelledCtRun, train

    if options.network:
        raise UsageError("expected no --network with --new: a package needs all of its networks")
    run = LabelledCtRun(
        name,
        dataset,
        options.runs / name,
        models,
        told=options.label,
        folds=FOLDS if options.folds is None else options.folds,
        steps=options.steps,
        minutes=options.minutes,
        workers=options.workers,
        seed=options.seed,
        start=starting_networks(options.start_from, models),
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        software=software(),
        tell=tell,
    )
    return train(run, options.plan_only)


def starting_networks(start: Path | None, models: Path) -> Mapping[str, NetworkSpec]:
    """Returns the networks of the package to start from, by name. Raises UsageError."""
    from operators.package_files.package_reader import PACKAGE_FILE, read_package

    if start is None:
        return {}
    folder = next((each for each in (start, models / start) if (each / PACKAGE_FILE).is_file()), None)
    if folder is None:
        raise UsageError(f"expected a package at --start-from (a name or a folder), got {start}")
    return {spec.name: replace(spec) for spec in read_package(folder / PACKAGE_FILE).networks}


def train_on_radiographs(
    name: str, dataset: Dataset, models: Path, options: TrainOptions, tell: Tell
) -> Iterator[str]:
    """Trains on radiographs as `osteon train` does with a package; see `training.radiograph`."""
    raise NotImplementedError


# By the kind of data set
KINDS: dict[str, NewTraining] = {"volume": train_on_volumes, "radiograph": train_on_radiographs}
