"""Trains one network: resumable, with an exponential moving average of the weights."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from operators.dicom.atomic_file import write_whole
from operators.networks.architectures import build
from training.losses import TrainingLoss
from training.patches import Patches, loader
from training.recipe import NetworkRecipe, Recipe

KEEP_EVERY = 200
# About the last thousand steps of one patch each: fewer, and the average swings with them
AVERAGE_DECAY = 0.999


@dataclass(frozen=True)
class TrainingRun:
    """Where a training reads and writes; the same command goes on where it stopped."""

    recipe: Recipe
    network: NetworkRecipe
    data: Path
    folder: Path
    seed: int = 0
    workers: int = 1
    steps: int | None = None
    start_from: Path | None = None
    minutes: float | None = None

    @property
    def checkpoint(self) -> Path:
        """The last state of this network's training."""
        return self.folder / f"{self.network.name}.checkpoint"

    @property
    def log(self) -> Path:
        """One JSON object a line: step, loss, seconds."""
        return self.folder / f"{self.network.name}.jsonl"


@dataclass
class State:
    """What a checkpoint holds."""

    model: nn.Module
    average: torch.optim.swa_utils.AveragedModel
    optimiser: torch.optim.Optimizer
    step: int = 0


def train(run: TrainingRun) -> Path:
    """Trains until the recipe's number of steps; returns the checkpoint's path."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(run.seed)
    run.folder.mkdir(parents=True, exist_ok=True)
    state = resume(run, new_state(run, device), device)
    total = run.steps or run.network.steps
    half = has_bfloat16(device, run.network)
    absent = absent_classes(run.recipe, run.network)
    loss = TrainingLoss(run.network.class_weights, absent, run.network.dice_of_absent).to(device)
    seed = run.seed + 1000 * state.step + 1
    patches = Patches(run.network, run.recipe, run.data, cache_of(run), seed)
    started = time.monotonic()
    window: list[float] = []
    for hu, target in loader(patches, run.workers):
        done = share_done(run, state.step / total, time.monotonic() - started)
        if done >= 1:
            break
        set_learning_rate(state.optimiser, run.network.learning_rate, done)
        window.append(one_step(state, loss, hu.to(device), target.to(device), half))
        if state.step % KEEP_EVERY == 0:
            keep(run, state, sum(window) / len(window), time.monotonic() - started)
            window.clear()
    if window or not run.checkpoint.exists():
        keep(run, state, sum(window) / max(len(window), 1), time.monotonic() - started)
    return run.checkpoint


def cache_of(run: TrainingRun) -> Path:
    """Where loaded subjects are kept between runs."""
    return run.folder / "cache"


def share_done(run: TrainingRun, steps_done: float, seconds: float) -> float:
    """How much of the training is over: by steps, or by the time that it may take if that is shorter."""
    if run.minutes is None:
        return steps_done
    return max(steps_done, seconds / (60 * run.minutes))


def absent_classes(recipe: Recipe, network: NetworkRecipe) -> tuple[int, ...]:
    """Classes that none of the recipe's negatives shows; others they may."""
    patterns = recipe.sources["negatives"]["absent"]
    return tuple(n for n, name in enumerate(network.classes) if any(fnmatch(name, p) for p in patterns))


def new_state(run: TrainingRun, device: torch.device) -> State:
    """A network with random weights, or with those of another training."""
    model = build(**network_arguments(run.network)).to(device).to(memory_format=torch.channels_last_3d)
    if run.start_from is not None and not run.checkpoint.exists():
        start = starting_weights(run.start_from, device)
        shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
        fitting = {name: tensor for name, tensor in start.items() if shapes.get(name) == tensor.shape}
        model.load_state_dict(fitting, strict=False)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(AVERAGE_DECAY)
    )
    return State(model, average, torch.optim.AdamW(model.parameters(), weight_decay=1e-4))


def starting_weights(path: Path, device: torch.device) -> dict[str, torch.Tensor]:
    """The averaged weights of a checkpoint, or those of a package."""
    if path.suffix == ".safetensors":
        weights: dict[str, torch.Tensor] = load_file(path, device=str(device))
        return weights
    average: dict[str, torch.Tensor] = torch.load(path, map_location=device, weights_only=True)["average"]
    return average


def network_arguments(network: NetworkRecipe) -> dict[str, Any]:
    """What `architectures.build` needs for this recipe."""
    return {
        "architecture": network.architecture,
        "dimensions": len(network.patch),
        "inputs": 1 + len(network.guide),
        "outputs": len(network.classes),
        "filters": network.filters,
    }


def one_step(
    state: State, loss: TrainingLoss, hu: torch.Tensor, target: torch.Tensor, half: bool
) -> float:
    """Forward (in bfloat16 where `half`), backward, update, average."""
    with torch.autocast(hu.device.type, torch.bfloat16, enabled=half):
        logits = state.model(hu.to(memory_format=torch.channels_last_3d))
    value = loss(logits.float(), target)
    state.optimiser.zero_grad()
    value.backward()
    nn.utils.clip_grad_norm_(state.model.parameters(), 5.0)
    state.optimiser.step()
    state.average.update_parameters(state.model)
    state.step += 1
    return float(value.detach())


def has_bfloat16(device: torch.device, network: NetworkRecipe) -> bool:
    """Whether bfloat16 is quicker than float32 here, and right.

    Processors without it emulate it, slowly. On those with it, oneDNN (torch 2.13) leaves parts of
    the weights' gradient unset where a convolution sees only 2 voxels along each axis.
    """
    deepest = min(network.patch) >> len(network.filters)
    return device.type == "cuda" or (torch.cpu._is_avx512_bf16_supported() and deepest > 2)


def set_learning_rate(optimiser: torch.optim.Optimizer, highest: float, done: float) -> None:
    """Warm-up over 2 % of the steps, then nnU-Net's polynomial decay."""
    rate = highest * min(1.0, done / 0.02 + 0.05) * max(1 - done, 0.0) ** 0.9
    for group in optimiser.param_groups:
        group["lr"] = rate


def keep(run: TrainingRun, state: State, loss: float, seconds: float) -> None:
    """Writes checkpoint and log; a kill in between leaves the last whole one."""
    content = {
        "model": state.model.state_dict(),
        "average": state.average.module.state_dict(),
        "optimiser": state.optimiser.state_dict(),
        "step": state.step,
        "network": json.dumps(asdict(run.network)),
    }
    write_whole(run.checkpoint, lambda file: torch.save(content, file))
    line = {"step": state.step, "loss": round(loss, 4), "seconds": round(seconds, 1)}
    with run.log.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line) + "\n")


def resume(run: TrainingRun, state: State, device: torch.device) -> State:
    """The state of the last checkpoint, if there is one."""
    if not run.checkpoint.exists():
        return state
    kept = torch.load(run.checkpoint, map_location=device, weights_only=True)
    state.model.load_state_dict(kept["model"])
    state.average.module.load_state_dict(kept["average"])
    state.optimiser.load_state_dict(kept["optimiser"])
    state.step = int(kept["step"])
    state.average.n_averaged.fill_(max(state.step, 1))
    return state
