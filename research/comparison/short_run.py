"""Trains one variant for few steps, on the same patches in the same order as all others; resumable."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from operators.networks.architectures.own_unets import SubpixelUNet, gathered, spread
from operators.networks.architectures.unet_arguments import SUBPIXELS
from operators.networks.architectures.unets import CONVOLUTIONS
from research.comparison.encodings import ENCODINGS
from research.comparison.losses import LOSSES
from research.comparison.pool import SIDE as POOL_SIDE
from research.comparison.pool import Pool, PoolRules, pool
from research.comparison.variants import PATCHES, SIDE, STEPS, Variant, network_recipe
from training.device import has_bfloat16
from training.loop.checkpoints import State, resume, save, state_of
from training.loop.runs import TrainingRun
from training.loop.trainer import new_state, set_learning_rate, take_step
from training.recipe import Recipe
from training.simulate.patches import as_tensors
from training.simulate.row_patches import Patch
from training.simulate.simulated_ct import Sample

KEEP_EVERY = 200
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Place:
    """Inputs and output folder of a comparison."""

    recipe: Recipe
    data: Path
    folder: Path


def train(variant: Variant, place: Place) -> nn.Module:
    """Returns the variant's trained network in evaluation mode."""
    encoding = ENCODINGS[variant.encoding]
    network = network_recipe(variant, place.recipe, encoding.classes)
    run = TrainingRun(place.recipe, network, place.data, place.folder / "trainings", variant.seed)
    run.folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(variant.seed)
    state = resume(run.checkpoint, first_state(run, variant), CPU)
    seen = pool(PoolRules(variant.spacing_mm, variant.real, PATCHES), place.recipe, place.data, place.folder)
    half, loss = has_bfloat16(CPU, network), LOSSES[variant.loss](encoding.class_weights)
    for image, target in patches(seen, variant, network.window_hu, state.step):
        loss.share_done = state.step / STEPS
        set_learning_rate(state.optimiser, network.learning_rate, loss.share_done)
        take_step(state, loss, image[None], target[None], CPU, half)
        if state.step % KEEP_EVERY == 0:
            save(run.checkpoint, state, network)
    return state.model.eval()


def first_state(run: TrainingRun, variant: Variant) -> State:
    """Returns the initial state, the same for every variant of a seed and a size."""
    state = new_state(run, CPU)
    if variant.loss == "deep_supervision" and isinstance(state.model, SubpixelUNet):
        model = SupervisedUNet(state.model, len(run.network.classes), variant.filters)
        return state_of(model)
    return state


def patches(seen: Pool, variant: Variant, window_hu: tuple[float, float], done: int) -> Iterator[Patch]:
    """Yields the pool's patches from number `done`, in the seed's order, cropped, half of them mirrored."""
    rng = np.random.default_rng(variant.seed)
    order = np.concatenate([rng.permutation(PATCHES) for _ in range(STEPS // PATCHES)])
    mirror, corner = rng.random(STEPS) < 0.5, rng.integers(POOL_SIDE - SIDE + 1, size=(STEPS, 3))
    encoding = ENCODINGS[variant.encoding]
    for number in range(done, STEPS):
        at, turn = order[number], -1 if mirror[number] else 1
        crop = tuple(slice(start, start + SIDE) for start in corner[number])
        target = encoding.encode(seen.fragments[at], seen.contact[at])[crop]
        hu = seen.hu[at][crop].astype(np.float32)
        yield as_tensors(Sample(hu[::turn], target[::turn].copy()), window_hu)


LEVELS = 2


class SupervisedUNet(nn.Module):
    """Wraps `plain`; returns logits (N, 1 + LEVELS, outputs, ...) in training, else (N, outputs, ...)."""

    def __init__(self, plain: SubpixelUNet, outputs: int, filters: tuple[int, ...]) -> None:
        super().__init__()
        self.unet = plain.unet
        head = CONVOLUTIONS[plain.dimensions]
        block = SUBPIXELS**plain.dimensions
        self.heads = nn.ModuleList(head(filters[level], block * outputs, 1) for level in range(1, 1 + LEVELS))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns the logits of an image."""
        encoder, decoder = self.unet.encoder, self.unet.decoder
        *coarser, finest = decoder.features(encoder(gathered(image)))
        answer = decoder.head(finest)
        if not self.training:
            return spread(answer)
        others = [head(features) for head, features in zip(self.heads, reversed(coarser), strict=False)]
        larger = [nn.functional.interpolate(other, answer.shape[2:]) for other in others]
        return torch.stack([spread(head) for head in (answer, *larger)], dim=1)
