"""Trains on a folder of radiographs, up to an installed network or a cross-validation table."""

from __future__ import annotations

import csv
import io
import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from operators.dicom.elements.atomic_file import write_whole
from operators.errors import UsageError
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE
from training.device import device_name, training_device
from training.progress import PREPARE, VALIDATE, Tell, silent
from training.radiograph.cross_validation import Fold, FoldResult, content_of, folds_in, known, table_of
from training.radiograph.dataset import Radiograph
from training.radiograph.datasets.cleaning import REASONS, Dataset, clean
from training.radiograph.evaluation import predict_all, quick_metrics
from training.radiograph.fitting import require_enough
from training.radiograph.installation import Trained, install
from training.radiograph.recipe import RECIPES, Recipe
from training.radiograph.recipe_file import RadiographRecipeFile
from training.radiograph.sampling import Sampler, Source, source_of
from training.radiograph.trainer import Limits, Metrics, Trainer

FINISHED, METRICS, FOLDS, EXCLUDED = "finished", "metrics.json", "folds.csv", "excluded.csv"
CROSS_VALIDATION = "cross-validation.json"
# The number of images evaluated beforehand, to estimate the duration of the evaluation at the end
TRIAL_IMAGES = 4
# If only time limits the training
UNLIMITED_STEPS = 10_000_000
# The share of a short training over which the learning rate warms up
RISE = 0.02


@dataclass(frozen=True)
class RadiographRun:
    """A training run: recipe, data and folders; the same command resumes an interrupted one.

    `steps` are those of each network; `minutes` is the time budget of the command, with reading and
    evaluation. `should_stop` ends it early. `began` is the time on `clock` at which the command began.
    """

    recipe: RadiographRecipeFile
    data: Path
    folder: Path
    package: Path
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    workers: int = 0
    tell: Tell = silent
    should_stop: Callable[[], bool] = lambda: False
    device: torch.device = field(default_factory=training_device)
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0

    @property
    def settings(self) -> Recipe:
        """Network, phases and learning rates."""
        return replace(RECIPES[self.recipe.recipe], seed=self.seed)

    @property
    def last_step(self) -> int:
        """The step at which a training ends."""
        return self.steps or (UNLIMITED_STEPS if self.minutes else self.recipe.steps)


def train(run: RadiographRun, folds: int | None = None) -> Iterator[str]:
    """Trains, and yields sentences on exclusions, metrics and written files as they become known.

    Without `folds` one network is trained on the training images, evaluated on the development images and
    installed. Raises UsageError if the data cannot be trained on.
    """
    if folds is not None and folds < 2:
        raise UsageError(f"expected 2 folds or more, got {folds}")
    run = replace(run, began=run.clock())
    dataset = clean(run.data, run.tell)
    rows = [(one.name, one.code, one.text) for one in dataset.exclusions]
    write_table(run.folder / EXCLUDED, ("file", "reason", "found"), rows)
    yield from described(dataset)
    with stopping_at_sigterm() as should_stop:
        yield from Training(replace(run, should_stop=should_stop), dataset).steps(folds)


def described(dataset: Dataset) -> Iterator[str]:
    """Sentences on a data set: its images, and the number of exclusions for each reason."""
    for split in ("train", "dev"):
        images = dataset.images(split)
        yield (
            f"{split}: {len(images)} images, {sum(one.fractured for one in images)} of them fractured, "
            f"{sum(not one.outlined for one in images)} of these not outlined"
        )
    for code, count in dataset.counts().items():
        yield f"excluded: {count}, {REASONS[code]}"


@contextmanager
def stopping_at_sigterm() -> Iterator[Callable[[], bool]]:
    """Yields a function that returns whether SIGTERM was received; outside the main thread it never is."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


class Training:
    """The trainings of one command: they share the images and the remaining time."""

    def __init__(self, run: RadiographRun, dataset: Dataset) -> None:
        self.run, self.dataset = run, dataset
        self.sources: dict[str, Source] = {}

    def steps(self, folds: int | None) -> Iterator[str]:
        """Trains one network or one for each fold; yields sentences."""
        return self.cross_validate(folds) if folds else self.train_one()

    def train_one(self) -> Iterator[str]:
        """A training on the training images, evaluated on the development images and installed."""
        train, dev = self.dataset.images("train"), self.dataset.images("dev")
        if (self.run.package / PACKAGE_FILE).is_file():
            require_enough(dev)
        trainer = self.trainer(self.run.folder / FINISHED, train, dev)
        metrics = self.metrics_of(trainer, dev, self.deadline([trainer.folder]), 1, "train")
        if metrics is None:
            yield stopped(trainer)
            return
        trained = Trained([trainer.average], self.run.settings, train, dev)
        facts = self.facts(trainer, metrics)
        (sha256,) = install(
            self.run.package,
            trained,
            facts,
            Device(),
            lambda done: self.run.tell(VALIDATE, done, "decision on images held out"),
        )
        yield from (f"{name}: {value:.3f}" for name, value in metrics.items())
        yield f"trained, installed in {self.run.package.name} with SHA-256 {sha256}"

    def cross_validate(self, count: int) -> Iterator[str]:
        """A training for each fold of the training images, and a table of all folds; installs nothing."""
        dataset = self.dataset.training()
        folds = folds_in(dataset, count)
        self.keep_folds(dataset, folds)
        folders = [self.run.folder / f"fold-{fold.number}" for fold in folds]
        deadline = self.deadline(folders)
        results: list[FoldResult] = []
        for fold, folder in zip(folds, folders, strict=True):
            trained, held = ([dataset.members[at].image for at in part] for part in (fold.trained, fold.held))
            trainer = self.trainer(folder, trained, held)
            pending = sum(not (one / METRICS).exists() for one in folders)
            metrics = self.metrics_of(trainer, held, deadline, pending, f"fold {fold.number}")
            if metrics is None:
                yield f"fold {fold.number}: {stopped(trainer)}"
                return
            fractured = sum(image.fractured for image in held)
            results.append(FoldResult(fold.number, len(trained), len(held), fractured, metrics))
            yield f"fold {fold.number}: {len(trained)} images trained on, {len(held)} evaluated"
        write_json(self.run.folder / CROSS_VALIDATION, content_of(results))
        yield table_of(results)

    def keep_folds(self, dataset: Dataset, folds: Sequence[Fold]) -> None:
        """Writes the fold of each image. Raises UsageError if an earlier file has other folds."""
        rows = sorted((dataset.members[at].image.name, fold.number) for fold in folds for at in fold.held)
        path = self.run.folder / FOLDS
        text = table_text(("file", "fold"), rows)
        if path.is_file() and path.read_text(encoding="utf-8") != text:
            raise UsageError(f"expected the folds that {FOLDS} lists, got others; use another --runs")
        write_table(path, ("file", "fold"), rows)

    def trainer(self, folder: Path, train: Sequence[Radiograph], held: Sequence[Radiograph]) -> Trainer:
        """The training of a folder, resumed if it was interrupted. Raises UsageError without both classes."""
        sampler = Sampler([self.source(image) for image in train], self.run.seed)
        if not sampler.outlined or not sampler.whole:
            raise UsageError(
                "expected outlined fractures and intact bones among the training images, "
                f"got {len(sampler.outlined)} images with the former and {len(sampler.whole)} with the latter"
            )
        return Trainer(
            self.run.settings,
            sampler,
            folder,
            lambda network: quick_metrics(
                predict_all(network, held, self.run.settings.canvas, mirrored=False)
            ),
            self.run.clock,
            self.run.device,
            workers=self.run.workers,
        )

    def source(self, image: Radiograph) -> Source:
        """An image prepared for sampling, once for all folds."""
        if image.name not in self.sources:
            self.run.tell(PREPARE, None, f"bones of {len(self.sources) + 1} images found")
            rng = np.random.default_rng((self.run.seed, len(self.sources)))
            self.sources[image.name] = source_of(image, rng)
        return self.sources[image.name]

    def deadline(self, folders: Sequence[Path]) -> float:
        """The time on the clock at which the command must end; training time of earlier commands counts."""
        if self.run.minutes is None:
            return math.inf
        return self.run.began + 60 * self.run.minutes - sum(seconds_in(folder) for folder in folders)

    def metrics_of(
        self, trainer: Trainer, held: Sequence[Radiograph], deadline: float, pending: int, stage: str
    ) -> Metrics | None:
        """The metrics of a training on the held-out images, None if it is stopped before its end.

        It takes its share of the time to the deadline, which `pending` trainings divide among them.
        """
        path = trainer.folder / METRICS
        if path.is_file():
            return read_metrics(path)
        trainer.watch = lambda over, step, loss: self.run.tell(stage, over, f"step {step}, loss {loss:.3f}")
        self.run.tell(stage, None, f"on {device_name(self.run.device)}")
        left_s = (deadline - self.run.clock()) / pending - self.seconds_to_measure(trainer, held)
        rules = self.run.recipe
        limits = Limits(
            self.run.last_step,
            max(trainer.seconds + left_s, trainer.seconds, 1e-3),
            should_stop=self.run.should_stop,
            fall=rules.fall,
            begin=rules.begin,
            rise=RISE,
        )
        trainer.run(limits)
        if limits.over(trainer.step, trainer.seconds) < 1:
            return None
        self.run.tell(VALIDATE, None, f"{len(held)} images")
        cases = predict_all(trainer.averaged(), held, self.run.settings.canvas, mirrored=False)
        metrics = quick_metrics(cases)
        write_json(path, {name: known(value) for name, value in metrics.items()})
        return metrics

    def seconds_to_measure(self, trainer: Trainer, held: Sequence[Radiograph]) -> float:
        """The estimated duration of the evaluation in seconds; 0 if time is not limited."""
        if self.run.minutes is None:
            return 0.0
        some = held[:TRIAL_IMAGES]
        began = self.run.clock()
        predict_all(trainer.averaged(), some, self.run.settings.canvas, mirrored=False)
        return (self.run.clock() - began) * len(held) / max(len(some), 1)

    def facts(self, trainer: Trainer, metrics: Metrics) -> dict[str, Any]:
        """The content of a network's training report: data, duration, metrics."""
        return {
            "recipe": self.run.recipe.model_dump(),
            "steps": trainer.step,
            "seconds": round(trainer.seconds, 1),
            "device": device_name(self.run.device),
            "seed": self.run.seed,
            "layout": self.dataset.layout,
            "images": {split: len(self.dataset.images(split)) for split in ("train", "dev")},
            "left_out": self.dataset.counts(),
            "metrics": {name: known(value) for name, value in metrics.items()},
        }


def stopped(trainer: Trainer) -> str:
    """A sentence on a training that was stopped."""
    return f"stopped after step {trainer.step}; the same command resumes from there"


def seconds_in(folder: Path) -> float:
    """The duration so far of the training in a folder, in seconds."""
    path = folder / "state.pt"
    return (
        float(torch.load(path, map_location="cpu", weights_only=True)["seconds"]) if path.is_file() else 0.0
    )


def read_metrics(path: Path) -> Metrics:
    """The metrics of a finished training; NaN if unknown."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: math.nan if value is None else float(value) for name, value in content.items()}


def write_json(path: Path, content: object) -> None:
    """Writes a JSON file atomically."""
    text = json.dumps(content, indent=1)
    write_whole(path, lambda file: file.write(text.encode()))


def write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Writes a CSV file atomically."""
    text = table_text(columns, rows)
    write_whole(path, lambda file: file.write(text.encode()))


def table_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return text.getvalue()
