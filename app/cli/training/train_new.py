"""`osteon train --data DATASET --new NAME` and `--from-corrections`: packages from data of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.cli.training.recipes import software
from app.cli.training.train_options import TrainOptions
from app.settings import read_settings
from operators.errors import UsageError
from training.progress import Tell

if TYPE_CHECKING:
    from operators.packages.packages import NetworkSpec
    from training.datasets.layout import Dataset
    from training.labelled_ct.fold_training import LabelledCtRun

NewTraining = Callable[[str, "Dataset", Path, TrainOptions, Tell], Iterator[str]]
FOLDS, CORRECTIONS = 5, "corrections"


def train_new(name: str, options: TrainOptions, tell: Tell) -> Iterator[str]:
    """Returns the sentences of a training on a data set. Raises UsageError, UnreadableError."""
    from training.datasets.layout import read_dataset

    dataset = read_dataset(options.source)
    models = read_settings(options.config, models=options.models).models
    return KINDS[dataset.tables.kind](name, dataset, models, options, tell)


def train_on_volumes(
    name: str, dataset: Dataset, models: Path, options: TrainOptions, tell: Tell
) -> Iterator[str]:
    """Trains on labelled CTs, cross-validated; see `training.labelled_ct`."""
    from training.labelled_ct.labelled_run import train

    run = labelled_run(name, dataset, options.runs / name, models, options, tell)
    return train(replace(run, start=starting_networks(options.start_from, models)), options.plan_only)


def train_on_corrections(name: str, options: TrainOptions, tell: Tell) -> Iterator[str]:
    """Trains an installed package on its corrections; see `training.labelled_ct.refinement`."""
    from training.datasets.layout import read_dataset
    from training.labelled_ct.corrections import read_record
    from training.labelled_ct.refinement import Margins, refine

    dataset = read_dataset(options.corrections / name)
    models = read_settings(options.config, models=options.models).models
    folder = options.runs / f"{name}-{CORRECTIONS}-{len(read_record(dataset.folder))}"
    run = labelled_run(name, dataset, folder, models, options, tell)
    return refine(run, Margins(options.better, options.worse))


def labelled_run(
    name: str, dataset: Dataset, folder: Path, models: Path, options: TrainOptions, tell: Tell
) -> LabelledCtRun:
    """Returns the training that the options describe."""
    from training.labelled_ct.fold_training import LabelledCtRun

    return LabelledCtRun(
        name,
        dataset,
        folder,
        models,
        told=options.label,
        folds=FOLDS if options.folds is None else options.folds,
        steps=options.steps,
        minutes=options.minutes,
        workers=options.workers,
        seed=options.seed,
        ensemble=options.ensemble,
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        software=software(),
        tell=tell,
    )


def starting_networks(start: Path | None, models: Path) -> Mapping[str, NetworkSpec]:
    """Returns the networks of the package to start from, by name. Raises UsageError."""
    from operators.package_files.package_reader import PACKAGE_FILE, read_package
    from training.labelled_ct.package.ensembles import member_of

    if start is None:
        return {}
    folder = next((each for each in (start, models / start) if (each / PACKAGE_FILE).is_file()), None)
    if folder is None:
        raise UsageError(f"expected a package at --start-from (a name or a folder), got {start}")
    networks = {spec.name: spec for spec in read_package(folder / PACKAGE_FILE).networks}
    if not {"coarse", "fine"} <= set(networks):
        raise UsageError(
            f"expected a package with networks coarse and fine at --start-from, got {', '.join(networks)}"
        )
    return {name: member_of(networks[name]) for name in ("coarse", "fine")}


def train_on_radiographs(
    name: str, dataset: Dataset, models: Path, options: TrainOptions, tell: Tell
) -> Iterator[str]:
    """Trains on radiographs with outlined fractures; see `training.radiograph.new_package`."""
    from training.radiograph.new_package import NewRadiographs, plan_of, train_new
    from training.radiograph.radiograph_run import RadiographRun

    if options.start_from or options.label or options.ensemble:
        raise UsageError(
            f"expected no --start-from, --label or --ensemble for radiographs, got one of them with {name}"
        )
    new, folder = NewRadiographs(name, dataset.tables.title, models), options.runs / name
    run = RadiographRun(
        plan_of(new, folder, len(dataset.cases)),
        dataset.folder,
        folder,
        folder / "package",
        steps=options.steps,
        minutes=options.minutes,
        seed=options.seed,
        workers=options.workers,
        tell=tell,
    )
    return train_new(new, run, options.folds, options.plan_only)


# By the kind of data set
KINDS: dict[str, NewTraining] = {"volume": train_on_volumes, "radiograph": train_on_radiographs}
