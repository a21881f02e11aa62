"""Trains a network for about an hour, until its predictions are stable enough to compare runtimes.

With random weights, or after a minute of training, most voxels lie between two classes, where rounding
decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from operators.nnunet.zoom import new_shape, zoomed
from operators.packages.plans import Resampling
from tests.support.packages.synthetic_nnunet import MEASURES, Case, v2_names
from training.device import has_fast_bfloat16

Array = NDArray[np.float32]
Labels = NDArray[np.uint8]
State = dict[str, torch.Tensor]
# Input channels (C, I, J, K) and target labels
Example = tuple[Array, Labels]
# nnU-Net's limit for the gradient's norm
LARGEST_GRADIENT = 12.0


@dataclass(frozen=True)
class Phase:
    """A number of AdamW steps on blocks of one size; the learning rate rises to `rate` and falls to 0."""

    sides: tuple[int, ...]
    steps: int
    rate: float


def as_read(case: Case, hu: NDArray[np.number], spacing_mm: tuple[float, ...]) -> Array:
    """Preprocesses HU (z, y, x) for a case's network."""
    near = zoomed(hu.astype(np.float32), new_shape(hu.shape, spacing_mm, case.spacing), None, Resampling(3))
    clipped = np.clip(near, MEASURES["percentile_00_5"], MEASURES["percentile_99_5"])
    return ((clipped - MEASURES["mean"]) / MEASURES["std"]).astype(np.float32)


def trained(network: nn.Module, examples: Sequence[Example], phases: Sequence[Phase]) -> Iterator[State]:
    """Yields the weights after each phase."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    for phase in phases:
        train(network.train(), examples, phase, rng)
        yield network.eval().state_dict()


def train(network: nn.Module, examples: Sequence[Example], phase: Phase, rng: np.random.Generator) -> None:
    """Trains one phase, a block per step."""
    adam = torch.optim.AdamW(network.parameters(), phase.rate)
    rate = torch.optim.lr_scheduler.OneCycleLR(adam, phase.rate, total_steps=phase.steps)
    losses, half = [], has_fast_bfloat16(torch.device("cpu"))
    for step in range(1, phase.steps + 1):
        hu, truth = examples[int(rng.integers(len(examples)))]
        block, labels = drawn(hu, truth, phase.sides, rng)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = network(block)
        loss = nn.functional.cross_entropy(logits.float(), labels)
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        adam.step()
        rate.step()
        losses.append(loss.item())
        if step % 10 == 0 or step == phase.steps:
            print(f"{phase.sides}, step {step}: cross-entropy {np.mean(losses[-10:]):.4f}", flush=True)


def drawn(
    channels: Array, truth: Labels, sides: Sequence[int], rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draws a block around a random voxel that is not background."""
    voxel = rng.choice(np.argwhere(truth[::4, ::4, ::4] > 0)) * 4 + rng.integers(-8, 9, 3)
    starts = np.clip(voxel - np.array(sides) // 2, 0, np.array(truth.shape) - sides)
    block = tuple(slice(start, start + side) for start, side in zip(starts, sides, strict=True))
    labels = truth[block][None].astype(np.int64)
    return torch.from_numpy(channels[(slice(None), *block)][None].copy()), torch.from_numpy(labels)


def put(state: State, case: Case, folder: Path) -> None:
    """Puts trained weights into the folder that `write_v2` wrote for a case."""
    path = folder / "fold_0" / "checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    torch.save(content | {"network_weights": v2_names(case, state)}, path)
