"""The state of a training on disk: written whole, read again after a kill."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from operators.dicom.elements.atomic_file import write_whole
from training.loop.early_stopping import Progress
from training.recipe import NetworkRecipe

Weights = dict[str, torch.Tensor]

# About the last thousand steps of one patch each: fewer, and the average swings with them
AVERAGE_DECAY = 0.999


@dataclass
class State:
    """The content of a checkpoint; `best` are the averaged weights of the best validation."""

    model: nn.Module
    average: torch.optim.swa_utils.AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0
    progress: Progress = field(default_factory=Progress)
    best: Weights | None = None


def state_of(model: nn.Module) -> State:
    """A training of `model` that has not begun."""
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=moving_average)
    return State(model, average, torch.optim.AdamW(model.parameters(), weight_decay=1e-4))


def moving_average(average: Any, current: Any, steps: Any) -> None:
    """Exponential, over fewer steps at first, so that the random start is soon forgotten."""
    decay = min(AVERAGE_DECAY, (1 + float(steps)) / (10 + float(steps)))
    torch.optim.swa_utils.get_ema_multi_avg_fn(decay)(average, current, steps)


def save(path: Path, state: State, network: NetworkRecipe) -> None:
    """Writes a checkpoint; a kill in between leaves the last whole one."""
    content = {
        "model": state.model.state_dict(),
        "average": state.average.module.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
        "progress": asdict(state.progress),
        "best": state.best,
        "network": json.dumps(asdict(network)),
    }
    write_whole(path, lambda file: torch.save(content, file))


def resume(path: Path, state: State, device: torch.device) -> State:
    """The state of a checkpoint, if there is one."""
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
    """A checkpoint's content; those of before validation are read as if nothing had been validated."""
    kept: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return {"progress": {}, "best": None, **kept}


def best_weights(kept: dict[str, Any]) -> Weights:
    """The averaged weights that a checkpoint's training would install."""
    weights: Weights = kept["best"] or kept["average"]
    return weights


def starting_weights(path: Path, device: torch.device) -> Weights:
    """The best averaged weights of a checkpoint, or those of a package."""
    if path.suffix == ".safetensors":
        weights: Weights = load_file(path, device=str(device))
        return weights
    return best_weights(read(path, device))
