"""Checkpoints of a training, written atomically and read to resume it, and its early stopping by patience."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from operators.dicom.elements.atomic_file import write_whole
from training.recipe import NetworkRecipe
from training.recipe_file import ValidationRules

Weights = dict[str, torch.Tensor]

# Averages over about the last thousand steps of one patch each; over fewer the average fluctuates
AVERAGE_DECAY = 0.999


@dataclass(frozen=True)
class Progress:
    """Best score so far, its step, and the number of validations since then without a better one.

    `fell_at` is the step and `fell_from` the share of the training at which patience ended. From there the
    learning rate decays to its end, since most of the gain comes from that decay.
    """

    best: float = -1.0
    best_step: int = 0
    waited: int = 0
    fell_at: int | None = None
    fell_from: float = 0.0

    def read(self, score: float, step: int, done: float, rules: ValidationRules) -> Progress:
        """Returns the progress after one more validation, at a step and a share of the training."""
        if score > self.best:
            return replace(self, best=score, best_step=step, waited=0)
        waited = self.waited + 1
        if waited >= rules.patience and self.fell_at is None:
            return replace(self, waited=waited, fell_at=step, fell_from=done)
        return replace(self, waited=waited)

    def share_done(self, planned: float, step: int, fall_steps: float) -> float:
        """Returns the share of the training that is done; `planned` is that share without early stopping."""
        if self.fell_at is None:
            return planned
        fallen = min((step - self.fell_at) / fall_steps, 1.0)
        return max(planned, self.fell_from + (1 - self.fell_from) * fallen)


@dataclass
class State:
    """Content of a checkpoint; `best` are the averaged weights of the best validation."""

    model: nn.Module
    average: torch.optim.swa_utils.AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0
    progress: Progress = field(default_factory=Progress)
    best: Weights | None = None


def state_of(model: nn.Module) -> State:
    """Returns the state of a training of `model` before its first step."""
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=moving_average)
    return State(model, average, torch.optim.AdamW(model.parameters(), weight_decay=1e-4))


def moving_average(average: Any, current: Any, steps: Any) -> None:
    """Moves averaged weights towards the current ones."""
    decay = average_decay(float(steps), AVERAGE_DECAY)
    torch.optim.swa_utils.get_ema_multi_avg_fn(decay)(average, current, steps)


def average_decay(steps: float, longest: float) -> float:
    """Returns the share that averaged weights keep; it is less at first to forget the random start."""
    return min(longest, (1 + steps) / (10 + steps))


def save(path: Path, state: State, network: NetworkRecipe) -> None:
    """Writes a checkpoint atomically: an interruption leaves the previous one intact."""
    content = {
        "model": state.model.state_dict(),
        "average": state.average.module.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
        "progress": asdict(state.progress),
        "best": state.best,
        "network": network.model_dump_json(),
    }
    write_whole(path, partial(write_tensors, content))


def write_tensors(content: object, file: BinaryIO) -> None:
    """Writes tensors to a file. Raises OSError, also where the disk is full."""
    try:
        torch.save(content, file)
    except RuntimeError as error:
        # torch finishes its archive after a failed write, and that error hides the first
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def resume(path: Path, state: State, device: torch.device) -> State:
    """Loads a checkpoint into `state`; returns `state` as it is where there is no checkpoint."""
    if not path.exists():
        return state
    kept = read(path, device)
    state.model.load_state_dict(kept["model"])
    state.average.module.load_state_dict(kept["average"])
    state.optimiser.load_state_dict(kept["optimiser"])
    state.step = int(kept["step"])
    state.progress, state.best = Progress(**kept["progress"]), kept["best"]
    state.average.n_averaged.fill_(max(state.step, 1))
    return state


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """Reads a checkpoint; one that predates validation reads as not yet validated."""
    kept: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return {"progress": {}, "best": None, **kept}


def best_weights(kept: dict[str, Any]) -> Weights:
    """Returns the averaged weights to install: the best validated ones, or else the last."""
    return kept["best"] or kept["average"]
