"""What the network is trained for: maps and image-level labels of fractures, drawn breaks, hidden texture."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor
from torch.nn import functional

from operators.networks.architectures.radiograph_network import (
    BREAK,
    FRACTURE,
    TEXTURE,
    Output,
    local_contrast,
)

# A fracture covers about 1 % of a crop: its pixels count more
PIXEL_WEIGHT = 3.0
# Dice of few pixels is noisy
SMOOTH_PIXELS = 20.0


@dataclass(frozen=True, eq=False)
class Batch:
    """N images as the network sees them, and what is known of them.

    `seen` and `whole` (N, 1, H, W): grey values with and without hidden parts; `hidden` (N, 1, H, W): 1
    where parts are hidden; `maps` (N, 2, H, W): fracture and drawn break; `labels` (N, 2): the same of
    each image, NaN where not known; `attributes` (N, A), NaN where not known.
    """

    seen: Tensor
    whole: Tensor
    hidden: Tensor
    maps: Tensor
    labels: Tensor
    attributes: Tensor

    def to(self, device: torch.device) -> Batch:
        """The batch on a device."""
        return Batch(*(getattr(self, one.name).to(device) for one in fields(self)))


@dataclass(frozen=True)
class LossWeights:
    """How much each part of the loss counts."""

    fracture: float = 1.0
    drawn_break: float = 0.5
    image: float = 0.5
    attributes: float = 0.1
    texture: float = 0.1


def loss(output: Output, batch: Batch, weights: LossWeights) -> tuple[Tensor, dict[str, float]]:
    """The sum that is minimised, and its parts for the log."""
    parts: dict[str, tuple[float, Tensor]] = {}
    half = functional.avg_pool2d(batch.maps, 2)
    eighth = functional.max_pool2d(batch.maps, 8)
    known = known_pixels(half), known_pixels(eighth)
    for name, channel, weight in (
        ("fracture", FRACTURE, weights.fracture),
        ("break", BREAK, weights.drawn_break),
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
    """1 where a map's truth is known: a drawn break is neither a fracture nor none."""
    known = torch.ones_like(maps)
    known[:, FRACTURE] = (maps[:, BREAK] <= 0).float()
    known[:, BREAK] = (maps[:, FRACTURE] <= 0).float()
    return known


def map_loss(logits: Tensor, target: Tensor, known: Tensor) -> Tensor:
    """Cross-entropy of every pixel, and Dice of the images that have any; (N, H, W) each."""
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
    """Cross-entropy over the labels that are known (not NaN); 0 where none is."""
    known = ~torch.isnan(target)
    if not known.any():
        return logits.sum() * 0
    return functional.binary_cross_entropy_with_logits(logits[known], target[known])


def texture_loss(drawn: Tensor, batch: Batch) -> Tensor:
    """How far the local contrast drawn in hidden parts is from the true one, in standard deviations."""
    hidden = functional.avg_pool2d(batch.hidden, 2)[:, 0]
    true = functional.avg_pool2d(local_contrast(batch.whole), 2)[:, 0]
    return ((drawn - true).abs() * hidden).sum() / hidden.sum().clamp_min(1)
