"""The trainings of all folds: a coarse and a fine network each, measured on the cases held out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import NetworkSpec
from training.datasets.layout import Dataset, sha256_of
from training.export import train_and_install
from training.labelled_ct.case_facts import MeasuredCase
from training.labelled_ct.classes import values_by_class
from training.labelled_ct.curves import draw_curves
from training.labelled_ct.folds import Fold
from training.labelled_ct.package.model_card import FoldResult, fold_table
from training.labelled_ct.package.package_tables import built
from training.labelled_ct.scoring import EVALUATE, score_cases
from training.loop.runs import TrainingRun
from training.progress import PREPARE, TRAIN, VALIDATE, Tell, silent
from training.recipe import Recipe
from training.recipe_file import LabelledCtTable
from training.simulate.sources import Sources

# The rest of --minutes is for preparation and figures
TRAINING_SHARE = 0.75


@dataclass(frozen=True)
class LabelledCtRun:
    """A training and where it is kept; the same command resumes it.

    `told` are structures of labels as the user gives them, `start` the networks whose weights the training
    starts from, by name. `minutes` is the time of the whole command. With `ensemble` the networks of all
    folds are installed, else those of the best one.
    """

    name: str
    dataset: Dataset
    folder: Path
    models: Path
    told: tuple[str, ...] = ()
    folds: int = 5
    steps: int | None = None
    minutes: float | None = None
    workers: int = 1
    seed: int = 0
    ensemble: bool = False
    start: Mapping[str, NetworkSpec] = field(default_factory=dict)
    began: str = ""
    software: str = ""
    tell: Tell = silent


@dataclass(frozen=True)
class LabelledCtTraining:
    """The trainings of all folds. `tables_of` makes the package.toml of networks with given checksums."""

    run: LabelledCtRun
    plan: Recipe
    cases: Sequence[MeasuredCase]
    folds: Sequence[Fold]
    tables_of: Callable[[Mapping[str, str]], dict[str, Any]]

    @property
    def row(self) -> LabelledCtTable:
        """The table of the data set."""
        (row,) = self.plan.sources.labelled_cts
        return row

    @property
    def classes(self) -> list[str]:
        """The classes that are delivered."""
        return list(self.plan.sources.classes)

    def train_folds(self) -> Generator[str, None, list[FoldResult]]:
        """Trains and measures every fold; yields sentences and returns the results."""
        self.prepare()
        results = []
        for fold in self.folds:
            for name in self.plan.networks:
                if not self.weights(fold, name).is_file():
                    self.train_network(fold, name)
                    yield f"fold {fold.number}, {name}: trained"
            results.append(self.measure(fold, self.package(fold), self.folder(fold)))
            cases = len(fold.held_out)
            yield f"fold {fold.number}: mean Dice {results[-1].mean:.3f} on {cases} cases held out"
        self.draw()
        yield fold_table(results, self.classes)
        return results

    def prepare(self) -> None:
        """Fills the cache with every case as each network reads it."""
        wanted = [(network, case) for network in self.plan.networks.values() for case in self.cases]
        for at, (network, case) in enumerate(wanted, start=1):
            recipe = self.recipe_of([case], [])
            Sources(recipe, self.run.dataset.folder, self.cache).labelled_cts(network)
            self.run.tell(
                PREPARE, at / len(wanted), f"{network.name}: {case.name} resampled, {at} of {len(wanted)}"
            )

    @property
    def cache(self) -> Path:
        """The cache that all folds share."""
        return self.run.folder / "cache"

    def recipe_of(self, trained: Sequence[MeasuredCase], watched: Sequence[MeasuredCase]) -> Recipe:
        """Returns the plan for some of the cases; without watched ones the last weights are kept."""
        rows = [
            self.row.model_copy(update={"cases": tuple(case.name for case in part)})
            for part in (trained, watched)
        ]
        rules = self.plan.validation
        return replace(
            self.plan,
            sources=self.plan.sources.model_copy(update={"labelled_cts": (rows[0],)}),
            validation=rules.model_copy(update={"labelled_cts": (rows[1],)}) if rules and watched else None,
        )

    def folder(self, fold: Fold) -> Path:
        """Returns the folder of a fold."""
        return self.run.folder / f"fold-{fold.number}"

    def weights(self, fold: Fold, name: str) -> Path:
        """Returns the weights of a network, written when its training ends."""
        return self.folder(fold) / f"{name}.safetensors"

    def train_network(self, fold: Fold, name: str) -> None:
        """Trains one network of a fold."""
        run, network = self.run, self.plan.networks[name]
        start, count = run.start.get(name), len(self.folds) * len(self.plan.networks)
        training = TrainingRun(
            self.recipe_of(fold.trained, fold.watched),
            network,
            run.dataset.folder,
            self.folder(fold),
            seed=run.seed + fold.number,
            workers=run.workers,
            steps=run.steps,
            start_from=None if start is None else start.weights,
            minutes=None if run.minutes is None else TRAINING_SHARE * run.minutes / count,
            began=run.began,
            software=run.software,
            shared_cache=self.cache,
        )
        train_and_install(training, self.folder(fold), self.told(fold, name))

    def told(self, fold: Fold, name: str) -> Tell:
        """Returns the callback of one training: its share of all, and the curves drawn at every reading."""
        names = list(self.plan.networks)
        before, all_of = (fold.number - 1) * len(names) + names.index(name), len(self.folds) * len(names)
        of = f"fold {fold.number} of {len(self.folds)}, {name}"

        def tell(stage: str, done: float | None, text: str) -> None:
            if stage == VALIDATE:
                self.draw()
            share = (before + done) / all_of if stage == TRAIN and done is not None else done
            self.run.tell(stage, share, f"{of}: {text}")

        return tell

    def draw(self) -> Path:
        """Draws the curves of what was trained so far."""
        logs = {
            name: {fold.number: self.folder(fold) / f"{name}.jsonl" for fold in self.folds}
            for name in self.plan.networks
        }
        return draw_curves(logs, self.run.folder)

    def measure(self, fold: Fold, package: CoarseToFinePackage, folder: Path) -> FoldResult:
        """Measures networks on a fold's held-out cases; the scores are kept in `folder`."""

        def tell(stage: str, done: float | None, text: str) -> None:
            self.run.tell(stage, done, f"fold {fold.number} of {len(self.folds)}: {text}")

        tell(EVALUATE, None, f"{len(fold.held_out)} cases")
        networks = Networks(Device())
        scores = score_cases(self.run.dataset, fold.held_out, self.values, package, networks, folder, tell)
        return FoldResult(fold, tuple(scores))

    @property
    def values(self) -> dict[str, tuple[int, ...]]:
        """The label values of each class."""
        return values_by_class({int(value): name for value, name in self.row.names.items()})

    def tables(self, fold: Fold) -> dict[str, Any]:
        """Returns the package.toml of a fold's networks."""
        return self.tables_of({name: sha256_of(self.weights(fold, name)) for name in self.plan.networks})

    def package(self, fold: Fold) -> CoarseToFinePackage:
        """Returns the package of a fold's networks."""
        return built(self.tables(fold), self.folder(fold), self.run.models)
