"""A network trained for a minute or two, so that what it says is steady: a yardstick, not a segmenter.

Made-up weights leave most voxels between two classes, where any rounding turns them.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from operators.imaging.recipes import Resampling
from operators.imaging.zoom import new_shape, zoomed
from tests.made_nnunet import MEASURES, Case

Array = NDArray[np.float32]
Labels = NDArray[np.uint8]
State = dict[str, torch.Tensor]
# Cubes of so many voxels: the least that leaves FracSegNet's coarsest features more than one voxel
SIDE, STEPS, RATE = 32, 60, 2e-3
# nnU-Net's own bound of the gradient's norm
LARGEST_GRADIENT = 12.0


def as_read(case: Case, hu: NDArray[np.number], spacing_mm: tuple[float, ...]) -> tuple[Array, Array]:
    """HU (z, y, x) at the spacing of a case's network, and the same as the network reads it."""
    near = zoomed(hu.astype(np.float32), new_shape(hu.shape, spacing_mm, case.spacing), None, Resampling(3))
    clipped = np.clip(near, MEASURES["percentile_00_5"], MEASURES["percentile_99_5"])
    return near, ((clipped - MEASURES["mean"]) / MEASURES["std"]).astype(np.float32)


def trained(network: nn.Module, image: Array, truth: Labels, steps: int = STEPS) -> State:
    """Weights after some steps of AdamW; `image` (channels, I, J, K) as the network reads it."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    adam = torch.optim.AdamW(network.train().parameters(), RATE)
    falling = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, total_steps=steps)
    for step in range(steps):
        cube, labels = drawn(image, truth, rng)
        # Single precision: with norms of four voxels half of it ends in numbers that are none
        loss = nn.functional.cross_entropy(network(cube), labels)
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
        adam.step()
        falling.step()
        if step % 10 == 0 or step == steps - 1:
            print(f"step {step}: cross-entropy {loss.item():.3f}", flush=True)
    return network.eval().state_dict()


def drawn(image: Array, truth: Labels, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A cube around some voxel that is not background."""
    voxel = rng.choice(np.argwhere(truth[::4, ::4, ::4] > 0)) * 4 + rng.integers(-8, 9, 3)
    starts = np.clip(voxel - SIDE // 2, 0, np.array(truth.shape) - SIDE)
    cube = tuple(slice(start, start + SIDE) for start in starts)
    labels = truth[cube][None].astype(np.int64)
    return torch.from_numpy(image[(slice(None), *cube)][None].copy()), torch.from_numpy(labels)
