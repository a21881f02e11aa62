"""Losses to compare with the product's: weighted by distance to the contact, or deeply supervised."""

from __future__ import annotations

from collections.abc import Callable

import torch

from training.loop.class_loss import ClassLoss
from training.loop.distance_weighted_loss import DistanceWeightedLoss

Loss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def plain(class_weights: tuple[float, ...]) -> Loss:
    """Returns the product's loss."""
    loss = ClassLoss(class_weights, (), dice_of_absent=True)
    return lambda logits, target, _: loss(logits, target)


def deeply_supervised(class_weights: tuple[float, ...]) -> Loss:
    """Returns the product's loss on every head (N, heads, C, I, J, K), each weighted half of the last."""
    loss = ClassLoss(class_weights, (), dice_of_absent=True)

    def of_heads(logits: torch.Tensor, target: torch.Tensor, _: float) -> torch.Tensor:
        shares = [0.5**level for level in range(logits.shape[1])]
        each = [share * loss(logits[:, level], target) for level, share in enumerate(shares)]
        return torch.stack(each).sum() / sum(shares)

    return of_heads


def distance_weighted(class_weights: tuple[float, ...]) -> Loss:
    """Returns FracSegNet's loss, whose weights take effect gradually."""
    loss = DistanceWeightedLoss(class_weights, (), dice_of_absent=True, contact=2)

    def weighted(logits: torch.Tensor, target: torch.Tensor, done: float) -> torch.Tensor:
        loss.share_done = done
        return loss(logits, target)

    return weighted


LOSSES: dict[str, Callable[[tuple[float, ...]], Loss]] = {
    "dice_ce": plain,
    "distance_weighted": distance_weighted,
    "deep_supervision": deeply_supervised,
}
