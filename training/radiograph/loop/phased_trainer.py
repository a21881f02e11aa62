"""The training loop: resumes where it stopped, averages weights, and evaluates them at intervals."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from operators.dicom.elements.atomic_file import write_whole
from training.device import has_fast_bfloat16
from training.files import append_line, write_json
from training.loop.checkpoints import average_decay, write_tensors
from training.radiograph.batches.sampler import Batch, Draws, Sampler
from training.radiograph.loop.batch_statistics import BATCHES, SHARE, with_statistics
from training.radiograph.loop.multitask_loss import LossWeights, loss
from training.radiograph.loop.networks import Weights, build, grouped, network_of, set_momentum
from training.radiograph.loop.prefetching import Steps
from training.radiograph.loop.schedule import Limits, RadiographRecipe

STATE, LOG, METRICS = "state.pt", "log.jsonl", "metrics.json"
LOG_STEPS = 100
SAVE_S = 120.0
MEASURE_STEPS = 1000
KEEP_STEPS = 4000
LARGEST_GRADIENT = 2.0
CPU = torch.device("cpu")
Metrics = dict[str, float]


class Trainer:
    """One training in a folder: its state, its log, and averaged weights of some steps.

    `measure` returns the metrics of a network in evaluation mode. `clock` returns seconds. `watch` is called
    after each step with the finished share, the step and the loss. `workers` is the number of processes that
    prepare batches; with 0 this process does. `seconds` is the duration of the training, with that before
    interruptions.
    """

    def __init__(
        self,
        recipe: RadiographRecipe,
        sampler: Sampler,
        folder: Path,
        measure: Callable[[nn.Module], Metrics],
        clock: Callable[[], float] = time.monotonic,
        device: torch.device = CPU,
        watch: Callable[[float, int, float], None] = lambda *_: None,
        workers: int = 0,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.sampler, self.folder = recipe, sampler, folder
        self.measure, self.clock, self.device, self.watch = measure, clock, device, watch
        self.seconds, self.workers = 0.0, workers
        self.drawn: tuple[RadiographRecipe, Iterator[Batch]] | None = None
        self.network = build(recipe).to(device)
        self.optimiser = torch.optim.AdamW(grouped(self.network, recipe.weight_decay), lr=1e-3)
        self.average: Weights = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / STATE).exists():
            self.load(folder / STATE)

    def run(self, limits: Limits) -> None:
        """Trains until a limit is reached, and saves; at the end with statistics of the averaged weights."""
        saved = self.clock()
        began = saved - self.seconds
        sums: Metrics = {}
        while not limits.reached(self.step, self.seconds):
            self.end_first_phases(limits)
            for name, value in self.train_step(limits).items():
                sums[name] = sums.get(name, 0.0) + value
            self.seconds = self.clock() - began
            if self.step % LOG_STEPS == 0:
                self.log(mean(sums))
                sums = {}
            if self.step % MEASURE_STEPS == 0:
                self.log({f"dev {k}": v for k, v in self.measure(self.averaged()).items()})
            if self.clock() - saved > SAVE_S:
                self.save()
                saved = self.clock()
            if self.step % KEEP_STEPS == 0:
                self.write(f"average-{self.step}.pt", self.average)
        self.drawn = None
        if limits.over(self.step, self.seconds) >= 1:
            batches = min(math.ceil(SHARE * self.step), BATCHES)
            self.average = with_statistics(self.average, self.recipe, self.sampler, self.device, batches)
        self.save()

    def end_first_phases(self, limits: Limits) -> None:
        """Begins the last phase once the first ones have used their share of a short training."""
        first = self.recipe.at(self.step)[0] is not self.recipe.phases[-1]
        if first and limits.over(self.step, self.seconds) >= limits.begin:
            self.recipe = self.recipe.last_from(self.step)

    def train_step(self, limits: Limits) -> Metrics:
        """Trains one step; returns the parts of the loss, and seconds."""
        began = self.clock()
        torch.manual_seed(hash((self.recipe.seed, self.step)))
        phase, draws = self.recipe.at(self.step)[0], self.recipe.draws_at(self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = limits.rate(self.recipe, self.step, self.seconds)
        set_momentum(self.network, draws.whole, phase)
        batch = self.batch_of(draws).to(self.device)
        drawn = self.clock()
        parts = self.descend(batch, phase.weights)
        self.step += 1
        self.watch(limits.over(self.step, self.seconds), self.step, sum(parts.values()))
        self.update_average()
        prefix = "whole" if draws.whole else "crop"
        named = {f"{prefix} {name}": value for name, value in parts.items()}
        times = {"seconds": self.clock() - began, "seconds drawing": drawn - began}
        return {**named, f"{prefix} count": 1.0, **times}

    def batch_of(self, draws: Draws) -> Batch:
        """Returns the batch of this step; the workers restart when the recipe changes."""
        if not self.workers:
            return self.sampler.batch(draws, self.step)
        if self.drawn is None or self.drawn[0] is not self.recipe:
            self.drawn = self.recipe, Steps(self.sampler, self.recipe).prefetched(self.step, self.workers)
        return next(self.drawn[1])

    def descend(self, batch: Batch, weights: LossWeights) -> Metrics:
        """Returns one step of the optimiser."""
        self.network.train()
        half = has_fast_bfloat16(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            output = self.network(batch.seen)
        total, parts = loss(output, batch, weights)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        return parts

    def update_average(self) -> None:
        """Updates the exponential moving average of the weights."""
        decay = average_decay(self.step, self.recipe.average_decay)
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[name].lerp_(value, 1 - decay)

    def averaged(self) -> nn.Module:
        """Returns a network of the averaged weights, in evaluation mode."""
        return network_of(self.average, self.recipe).to(self.device)

    def write_metrics(self) -> Metrics:
        """Evaluates the averaged weights of a finished training, and writes the metrics."""
        metrics = self.measure(self.averaged())
        write_json(self.folder / METRICS, known(metrics))
        return metrics

    def log(self, row: Metrics) -> None:
        """Adds a line to the log."""
        rounded = {name: round(value, 4) for name, value in row.items()}
        append_line(self.folder / LOG, {"step": self.step, **rounded})

    def write(self, name: str, content: object) -> None:
        """Writes a file of the training atomically: if killed, the last complete one remains."""
        write_whole(self.folder / name, partial(write_tensors, content))

    def save(self) -> None:
        """Writes the state."""
        content = {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "last_phase_from": self.recipe.begun_at,
        }
        self.write(STATE, content)

    def load(self, path: Path) -> None:
        """Restores a saved state."""
        kept = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.average, self.step = kept["average"], int(kept["step"])
        self.seconds = float(kept.get("seconds", 0.0))
        if kept.get("last_phase_from") is not None:
            self.recipe = self.recipe.last_from(int(kept["last_phase_from"]))


def mean(sums: Mapping[str, float]) -> Metrics:
    """Means over the steps of each kind since the last line of the log."""
    steps = sum(value for name, value in sums.items() if name.endswith("count"))
    return {
        name: value / max(sums.get(f"{name.split()[0]} count", steps), 1)
        for name, value in sums.items()
        if not name.endswith("count")
    }


def read_metrics(folder: Path) -> Metrics:
    """Returns the metrics of a finished training; NaN if unknown."""
    content = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    return {name: math.nan if value is None else float(value) for name, value in content.items()}


def known(metrics: Metrics) -> dict[str, float | None]:
    """Returns the metrics, with None for NaN, which JSON does not have."""
    return {name: None if math.isnan(value) else value for name, value in metrics.items()}


def seconds_in(folder: Path) -> float:
    """Returns the duration so far of the training in a folder, in seconds."""
    path = folder / STATE
    return (
        float(torch.load(path, map_location="cpu", weights_only=True)["seconds"]) if path.is_file() else 0.0
    )
