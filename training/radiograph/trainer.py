"""The training loop: resumes where it stopped, averages weights, and evaluates them at intervals."""

from __future__ import annotations

import itertools
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from operators.dicom.elements.atomic_file import write_whole
from operators.networks.architectures.radiograph_network import RadiographNetwork
from training.device import has_fast_bfloat16
from training.radiograph.baseline import ResNet18
from training.radiograph.dataset import ATTRIBUTES
from training.radiograph.losses import Batch, loss
from training.radiograph.recipe import Phase, Recipe
from training.radiograph.sampling import Draws, Sampler

LOG_STEPS = 100
SAVE_S = 120.0
MEASURE_STEPS = 1000
KEEP_STEPS = 4000
# Momentum of the running statistics of batch normalisation
MOMENTUM = 0.05
LARGEST_GRADIENT = 2.0
CPU = torch.device("cpu")
Metrics = dict[str, float]
Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Limits:
    """The limits and schedule of a training: in steps, or in seconds if those end first.

    It stops after `last_step`, after that many `seconds` of training in all, or if `should_stop` returns
    True. The learning rate decays to 0 over the last `decay_steps`, or over the last share `fall` of the
    training. All phases but the last end at the share `begin` of the training at the latest. A phase that
    ends early warms up over at most the share `rise` of the training.
    """

    last_step: int
    seconds: float = float("inf")
    decay_steps: int = 0
    should_stop: Callable[[], bool] = lambda: False
    fall: float = 0.0
    begin: float = 1.0
    rise: float = 0.0

    def reached(self, step: int, seconds: float) -> bool:
        """Whether a training stops after that many steps and seconds."""
        return self.over(step, seconds) >= 1 or self.should_stop()

    def over(self, step: int, seconds: float) -> float:
        """The finished share of the training."""
        return max(step / self.last_step, seconds / self.seconds)

    def share(self, step: int, seconds: float = 0.0) -> float:
        """The factor of the learning rate in the final decay."""
        by_steps = (self.last_step - step) / self.decay_steps if self.decay_steps else 1.0
        by_share = (1 - self.over(step, seconds)) / self.fall if self.fall else 1.0
        return max(0.0, min(1.0, by_steps, by_share))


def unseen(over: float, step: int, loss: float) -> None:
    """Watches nothing."""


class Trainer:
    """One training in a folder: `state.pt`, `log.jsonl`, and averaged weights of some steps.

    `measure` returns the metrics of a network in evaluation mode. `clock` returns seconds. `watch` is called
    after each step with the finished share, the step and the loss. `workers` is the number of processes that
    prepare batches; with 0 this process does. `seconds` is the duration of the training, with that before
    interruptions.
    """

    def __init__(
        self,
        recipe: Recipe,
        sampler: Sampler,
        folder: Path,
        measure: Callable[[nn.Module], Metrics],
        clock: Callable[[], float] = time.monotonic,
        device: torch.device = CPU,
        watch: Callable[[float, int, float], None] = unseen,
        workers: int = 0,
    ) -> None:
        torch.manual_seed(recipe.seed)
        self.recipe, self.sampler, self.folder = recipe, sampler, folder
        self.measure, self.clock, self.device, self.watch = measure, clock, device, watch
        self.seconds, self.workers = 0.0, workers
        self.drawn: tuple[Recipe, Iterator[Batch]] | None = None
        self.network = build(recipe).to(device)
        self.optimiser = torch.optim.AdamW(grouped(self.network, recipe.weight_decay), lr=1e-3)
        self.average: Weights = {k: v.clone() for k, v in self.network.state_dict().items()}
        self.step = 0
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / "state.pt").exists():
            self.load(folder / "state.pt")

    def run(self, limits: Limits) -> None:
        """Trains until a limit is reached, and saves."""
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
                self.keep_average()
        self.drawn = None
        self.save()

    def end_first_phases(self, limits: Limits) -> None:
        """Begins the last phase once the first ones have used their share of a short training."""
        first = self.recipe.at(self.step)[0] is not self.recipe.phases[-1]
        if first and limits.over(self.step, self.seconds) >= limits.begin:
            self.recipe = self.recipe.last_from(self.step)

    def keep_average(self) -> None:
        """Saves the averaged weights of this step."""
        write_whole(self.folder / f"average-{self.step}.pt", lambda file: torch.save(self.average, file))

    def train_step(self, limits: Limits) -> Metrics:
        """Trains one step; returns the parts of the loss, and seconds."""
        began = self.clock()
        torch.manual_seed(hash((self.recipe.seed, self.step)))
        phase, done = self.recipe.at(self.step)
        draws = phase.draws[done % len(phase.draws)]
        self.set_rate(phase, done, limits)
        set_momentum(self.network, draws, phase)
        batch = self.batch_of(draws).to(self.device)
        drawn = self.clock()
        parts = self.descend(batch, phase)
        self.step += 1
        self.watch(limits.over(self.step, self.seconds), self.step, sum(parts.values()))
        self.update_average()
        prefix = "whole" if draws.whole else "crop"
        named = {f"{prefix} {name}": value for name, value in parts.items()}
        times = {"seconds": self.clock() - began, "seconds drawing": drawn - began}
        return {**named, f"{prefix} count": 1.0, **times}

    def batch_of(self, draws: Draws) -> Batch:
        """The batch of this step; the workers restart when the recipe changes."""
        if not self.workers:
            return self.sampler.batch(draws, self.step)
        if self.drawn is None or self.drawn[0] is not self.recipe:
            self.drawn = self.recipe, prefetched(self.sampler, self.recipe, self.step, self.workers)
        return next(self.drawn[1])

    def descend(self, batch: Batch, phase: Phase) -> Metrics:
        """One step of the optimiser."""
        self.network.train()
        half = has_fast_bfloat16(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            output = self.network(batch.seen)
        total, parts = loss(output, batch, phase.weights)
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        return parts

    def set_rate(self, phase: Phase, done: int, limits: Limits) -> None:
        """The learning rate of a step."""
        warmup = max((done + 1) / self.recipe.warmup_steps, self.risen(phase, limits))
        rate = phase.rate * min(1.0, warmup) * limits.share(self.step, self.seconds)
        for group in self.optimiser.param_groups:
            group["lr"] = rate

    def risen(self, phase: Phase, limits: Limits) -> float:
        """The warmup factor by the share of the training, in a phase that began early."""
        last = phase is self.recipe.phases[-1]
        if not limits.rise or (last and self.recipe.begun_at is None and len(self.recipe.phases) > 1):
            return 0.0
        since = limits.over(self.step, self.seconds) - (
            limits.begin if self.recipe.begun_at is not None else 0
        )
        return max(since, 0.0) / limits.rise

    def update_average(self) -> None:
        """Updates the exponential moving average of the weights, with a smaller decay at first."""
        decay = min(self.recipe.average_decay, (1 + self.step) / (10 + self.step))
        for name, value in self.network.state_dict().items():
            if value.dtype.is_floating_point:
                self.average[name].lerp_(value, 1 - decay)

    def averaged(self) -> nn.Module:
        """A network of the averaged weights, in evaluation mode."""
        return network_of(self.average, self.recipe).to(self.device)

    def log(self, row: Metrics) -> None:
        """Appends a JSON object as a line."""
        line = {"step": self.step, **{name: round(value, 4) for name, value in row.items()}}
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def save(self) -> None:
        """Saves the state atomically: if killed, the last complete state remains."""
        content = {
            "network": self.network.state_dict(),
            "average": self.average,
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "last_phase_from": self.recipe.begun_at,
        }
        write_whole(self.folder / "state.pt", lambda file: torch.save(content, file))

    def load(self, path: Path) -> None:
        """Restores a saved state."""
        kept = torch.load(path, map_location=self.device, weights_only=True)
        self.network.load_state_dict(kept["network"])
        self.optimiser.load_state_dict(kept["optimiser"])
        self.average, self.step = kept["average"], int(kept["step"])
        self.seconds = float(kept.get("seconds", 0.0))
        if kept.get("last_phase_from") is not None:
            self.recipe = self.recipe.last_from(int(kept["last_phase_from"]))


def end_at_sigterm(worker: int) -> None:  # noqa: ARG001 (called by torch)
    """Ends this process at SIGTERM, even if its parent handles the signal otherwise."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def prefetched(sampler: Sampler, recipe: Recipe, step: int, workers: int) -> Iterator[Batch]:
    """The batches of a recipe from a step on, prepared by other processes."""

    class Steps(Dataset[Batch]):
        def __getitem__(self, at: int) -> Batch:
            phase, done = recipe.at(at)
            return sampler.batch(phase.draws[done % len(phase.draws)], at)

    # Its own generator, so that torch's global one, which dropout uses, is not advanced
    return iter(
        DataLoader(
            Steps(),
            batch_size=None,
            sampler=itertools.count(step),
            num_workers=workers,
            generator=torch.Generator(),
            worker_init_fn=end_at_sigterm,
        )
    )


def build(recipe: Recipe) -> nn.Module:
    """The recipe's network with random weights."""
    size = recipe.size
    network = RadiographNetwork(size.channels, size.blocks, len(ATTRIBUTES)) if size else ResNet18()
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def network_of(weights: Weights, recipe: Recipe) -> nn.Module:
    """A network in evaluation mode."""
    network = build(recipe)
    network.load_state_dict(weights)
    return network.eval()


def grouped(network: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Parameter groups of the optimiser: only kernels have weight decay."""
    kernels = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def set_momentum(network: nn.Module, draws: Draws, phase: Phase) -> None:
    """Updates running statistics only on whole images, if the phase has any: the network will read those."""
    keep = draws.whole or not any(one.whole for one in phase.draws)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = MOMENTUM if keep else 0.0


def mean(sums: Mapping[str, float]) -> Metrics:
    """Means over the steps of each kind since the last line of the log."""
    steps = sum(value for name, value in sums.items() if name.endswith("count"))
    return {
        name: value / max(sums.get(f"{name.split()[0]} count", steps), 1)
        for name, value in sums.items()
        if not name.endswith("count")
    }
