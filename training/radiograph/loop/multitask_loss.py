"""The loss: maps and image-level labels of real and simulated fractures, attributes, masked texture."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from operators.networks.architectures.radiograph_network import (
    FRACTURE,
    SIMULATED,
    TEXTURE,
    Output,
    local_contrast,
)
from training.radiograph.batches.sampler import Batch

# A fracture covers about 1 % of a crop, so its pixels are weighted
PIXEL_WEIGHT = 3.0
# Dice of few pixels is noisy
SMOOTH_PIXELS = 20.0


@dataclass(frozen=True)
class LossWeights:
    """The weight of each part of the loss."""

    fracture: float = 1.0
    simulated: float = 0.5
    image: float = 0.5
    attributes: float = 0.1
    texture: float = 0.1


def loss(output: Output, batch: Batch, weights: LossWeights) -> tuple[Tensor, dict[str, float]]:
    """Returns the weighted sum of the losses, and its parts for the log."""
    parts: dict[str, tuple[float, Tensor]] = {}
    half = functional.avg_pool2d(batch.maps, 2)
    eighth = functional.max_pool2d(batch.maps, 8)
    known = known_pixels(half), known_pixels(eighth)
    for name, channel, weight in (
        ("fracture", FRACTURE, weights.fracture),
        ("break", SIMULATED, weights.simulated),
    ):
        fine = map_loss(output.maps[:, channel].float(), half[:, channel], known[0][:, channel])
        coarse = map_loss(output.coarse[:, channel].float(), eighth[:, channel], known[1][:, channel])
        parts[name] = weight, fine + 0.5 * coarse
    parts["image"] = weights.image, known_entropy(output.image.float(), batch.labels)
    parts["attributes"] = weights.attributes, known_entropy(output.attributes.float(), batch.attributes)
    parts["texture"] = weights.texture, texture_loss(output.maps[:, TEXTURE].float(), batch)
    total = torch.stack([weight * value for weight, value in parts.values()]).sum()
    return total, {name: float(value.detach()) for name, (_, value) in parts.items()}


def known_pixels(maps: Tensor) -> Tensor:
    """1 where the target of a map is known: a simulated fracture is neither a real one nor intact bone."""
    known = torch.ones_like(maps)
    known[:, FRACTURE] = (maps[:, SIMULATED] <= 0).float()
    known[:, SIMULATED] = (maps[:, FRACTURE] <= 0).float()
    return known


def map_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy over all pixels, and Dice over the images with a target; (N, H, W) each."""
    entropy = functional.binary_cross_entropy_with_logits(
        logits, target, weight=known, pos_weight=logits.new_tensor(PIXEL_WEIGHT)
    )
    has = target.flatten(1).amax(1) > 0.5
    if not has.any():
        return 10 * entropy
    found, true = (logits.sigmoid() * known)[has].flatten(1), target[has].flatten(1)
    shared = (found * true).sum(1) + SMOOTH_PIXELS
    dice = 1 - 2 * shared / (found.sum(1) + true.sum(1) + 2 * SMOOTH_PIXELS)
    return 10 * entropy + dice.sum() / len(target)


def known_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over the known labels (not NaN); 0 if there are none."""
    known = ~torch.isnan(target)
    if not known.any():
        return logits.sum() * 0
    return functional.binary_cross_entropy_with_logits(logits[known], target[known])


def texture_loss(drawn: Tensor, batch: Batch) -> Tensor:
    """Returns the mean absolute error of local contrast in masked squares, in standard deviations."""
    hidden = functional.avg_pool2d(batch.hidden, 2)[:, 0]
    true = functional.avg_pool2d(local_contrast(batch.whole), 2)[:, 0]
    return ((drawn - true).abs() * hidden).sum() / hidden.sum().clamp_min(1)
