"""Trains on a folder of radiographs, up to an installed network or a cross-validation table."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from operators.errors import UsageError
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE
from training.device import device_name, training_device
from training.files import csv_text, write_json, write_text
from training.progress import PREPARE, VALIDATE, Tell, silent
from training.radiograph.batches.sampler import Sampler, Source, source_of
from training.radiograph.cross_validation import FoldMetrics, ImageFold, content_of, folds_in, table_of
from training.radiograph.datasets.cleaning import RadiographSet, clean, described
from training.radiograph.datasets.projections import projections
from training.radiograph.datasets.radiograph import Radiograph
from training.radiograph.fitting import require_enough
from training.radiograph.loop.batch_statistics import SHARE
from training.radiograph.loop.phased_trainer import (
    METRICS,
    Metrics,
    Trainer,
    known,
    read_metrics,
    seconds_in,
)
from training.radiograph.loop.prefetching import stopping_at_sigterm
from training.radiograph.loop.schedule import RECIPES, Limits, RadiographRecipe
from training.radiograph.package_installation import Trained, install
from training.radiograph.predictions import predict_all, quick_metrics
from training.radiograph.radiograph_recipe import RadiographRecipeFile

FINISHED, FOLDS, EXCLUDED = "finished", "folds.csv", "excluded.csv"
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
    evaluation. `ct` is the folder of the recipe's CTs. `should_stop` ends it early. `began` is the time on
    `clock` at which the command began.
    """

    recipe: RadiographRecipeFile
    data: Path
    folder: Path
    package: Path
    steps: int | None = None
    minutes: float | None = None
    ct: Path | None = None
    seed: int = 0
    workers: int = 0
    tell: Tell = silent
    should_stop: Callable[[], bool] = lambda: False
    device: torch.device = field(default_factory=training_device)
    clock: Callable[[], float] = time.monotonic
    began: float = 0.0

    @property
    def settings(self) -> RadiographRecipe:
        """Network, phases and learning rates."""
        return replace(RECIPES[self.recipe.recipe], seed=self.seed)

    def limits(self, seconds: float) -> Limits:
        """Returns the limits of a training that may take that many seconds."""
        last_step = self.steps or (UNLIMITED_STEPS if self.minutes else self.recipe.steps)
        rules = self.recipe
        return Limits(
            last_step, seconds, should_stop=self.should_stop, fall=rules.fall, begin=rules.begin, rise=RISE
        )


def train(run: RadiographRun, folds: int | None = None) -> Iterator[str]:
    """Trains, and yields sentences on exclusions, metrics and written files as they become known.

    Without `folds` one network is trained on the training images, evaluated on the development images and
    installed. Raises UsageError if the data cannot be trained on.
    """
    if folds is not None and folds < 2:
        raise UsageError(f"expected 2 folds or more, got {folds}")
    run = replace(run, began=run.clock())
    shown = projections(run.recipe.projections, run.ct, run.seed, run.tell)
    dataset = clean(run.data, run.tell)
    rows = [(one.name, one.code, one.text) for one in dataset.exclusions]
    write_text(run.folder / EXCLUDED, csv_text(("file", "reason", "found"), rows))
    yield from described(dataset)
    yield f"train: {len(shown)} images summed from CT, of other body parts, too"
    with stopping_at_sigterm() as should_stop:
        training = Training(replace(run, should_stop=should_stop), dataset, shown)
        yield from training.cross_validate(folds) if folds else training.train_one()


class Training:
    """The trainings of one command: they share the images, also those of CT, and the remaining time."""

    def __init__(self, run: RadiographRun, dataset: RadiographSet, shown: Sequence[Radiograph] = ()) -> None:
        self.run, self.dataset, self.shown = run, dataset, shown
        self.sources: dict[str, Source] = {}

    def train_one(self) -> Iterator[str]:
        """Yields a training on the training images, evaluated on the development images and installed."""
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
        (sha256,) = install(self.run.package, trained, facts, Device(), self.run.tell)
        yield from (f"{name}: {value:.3f}" for name, value in metrics.items())
        yield f"trained, installed in {self.run.package.name} with SHA-256 {sha256}"

    def cross_validate(self, count: int) -> Iterator[str]:
        """Yields a training for each fold of the training images, and a table of all; installs nothing."""
        dataset = self.dataset.training()
        folds = folds_in(dataset, count)
        self.keep_folds(dataset, folds)
        folders = [self.run.folder / f"fold-{fold.number}" for fold in folds]
        deadline = self.deadline(folders)
        results: list[FoldMetrics] = []
        for fold, folder in zip(folds, folders, strict=True):
            trained, held = ([dataset.members[at].image for at in part] for part in (fold.trained, fold.held))
            trainer = self.trainer(folder, trained, held)
            pending = sum(not (one / METRICS).exists() for one in folders)
            metrics = self.metrics_of(trainer, held, deadline, pending, f"fold {fold.number}")
            if metrics is None:
                yield f"fold {fold.number}: {stopped(trainer)}"
                return
            fractured = sum(image.fractured for image in held)
            results.append(FoldMetrics(fold.number, len(trained), len(held), fractured, metrics))
            yield f"fold {fold.number}: {len(trained)} images trained on, {len(held)} evaluated"
        write_json(self.run.folder / CROSS_VALIDATION, content_of(results))
        yield table_of(results)

    def keep_folds(self, dataset: RadiographSet, folds: Sequence[ImageFold]) -> None:
        """Writes the fold of each image. Raises UsageError if an earlier file has other folds."""
        rows = sorted((dataset.members[at].image.name, fold.number) for fold in folds for at in fold.held)
        path, text = self.run.folder / FOLDS, csv_text(("file", "fold"), rows)
        if path.is_file() and path.read_text(encoding="utf-8") != text:
            raise UsageError(f"expected the folds that {FOLDS} lists, got others; use another --runs")
        write_text(path, text)

    def trainer(self, folder: Path, train: Sequence[Radiograph], held: Sequence[Radiograph]) -> Trainer:
        """The training of a folder, resumed if it was interrupted. Raises UsageError without both classes."""
        settings = self.run.settings
        sampler = Sampler([self.source(image) for image in (*train, *self.shown)], self.run.seed)
        if not sampler.outlined or not sampler.whole:
            raise UsageError(
                "expected outlined fractures and intact bones among the training images, "
                f"got {len(sampler.outlined)} images with the former and {len(sampler.whole)} with the latter"
            )
        return Trainer(
            settings,
            sampler,
            folder,
            lambda network: quick_metrics(predict_all(network, held, settings.canvas, mirrored=False)),
            self.run.clock,
            self.run.device,
            workers=self.run.workers,
        )

    def source(self, image: Radiograph) -> Source:
        """Returns an image prepared for sampling, once for all folds."""
        if image.name not in self.sources:
            self.run.tell(PREPARE, None, f"bones of {len(self.sources) + 1} images found")
            rng = np.random.default_rng((self.run.seed, len(self.sources)))
            self.sources[image.name] = source_of(image, rng)
        return self.sources[image.name]

    def deadline(self, folders: Sequence[Path]) -> float:
        """Returns the time on the clock at which the command must end, earlier commands included."""
        if self.run.minutes is None:
            return math.inf
        return self.run.began + 60 * self.run.minutes - sum(seconds_in(folder) for folder in folders)

    def metrics_of(
        self, trainer: Trainer, held: Sequence[Radiograph], deadline: float, pending: int, stage: str
    ) -> Metrics | None:
        """Returns the metrics of a training on the held-out images, None if it is stopped before its end.

        It takes its share of the time to the deadline, which `pending` trainings divide among them.
        """
        if (trainer.folder / METRICS).is_file():
            return read_metrics(trainer.folder)
        trainer.watch = lambda over, step, loss: self.run.tell(stage, over, f"step {step}, loss {loss:.3f}")
        self.run.tell(stage, None, f"on {device_name(self.run.device)}")
        left_s = (deadline - self.run.clock()) / pending - self.seconds_to_measure(trainer, held)
        left_s *= 1 - SHARE  # for the statistics of the averaged weights
        limits = self.run.limits(max(trainer.seconds + left_s, trainer.seconds, 1e-3))
        trainer.run(limits)
        if limits.over(trainer.step, trainer.seconds) < 1:
            return None
        self.run.tell(VALIDATE, None, f"{len(held)} images")
        return trainer.write_metrics()

    def seconds_to_measure(self, trainer: Trainer, held: Sequence[Radiograph]) -> float:
        """Returns the estimated duration of the evaluation in seconds; 0 if time is not limited."""
        if self.run.minutes is None:
            return 0.0
        some = held[:TRIAL_IMAGES]
        began = self.run.clock()
        predict_all(trainer.averaged(), some, self.run.settings.canvas, mirrored=False)
        return (self.run.clock() - began) * len(held) / max(len(some), 1)

    def facts(self, trainer: Trainer, metrics: Metrics) -> dict[str, Any]:
        """Returns the content of a network's training report: data, duration, metrics."""
        return {
            "recipe": self.run.recipe.model_dump(),
            "steps": trainer.step,
            "seconds": round(trainer.seconds, 1),
            "device": device_name(self.run.device),
            "seed": self.run.seed,
            "layout": self.dataset.layout,
            "images": {split: len(self.dataset.images(split)) for split in ("train", "dev")},
            "projections": len(self.shown),
            "left_out": self.dataset.counts(),
            "metrics": known(metrics),
        }


def stopped(trainer: Trainer) -> str:
    """Returns a sentence on a training that was stopped."""
    return f"stopped after step {trainer.step}; the same command resumes from there"
