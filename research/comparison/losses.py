"""Losses to compare with the product's: weighted by distance to the contact, or deeply supervised."""

from __future__ import annotations

from collections.abc import Callable

import torch

from training.loop.class_loss import ClassLoss
from training.loop.distance_weighted_loss import DistanceWeightedLoss


class DeepSupervisionLoss(ClassLoss):
    """The product's loss on every head (N, heads, C, I, J, K), each weighted half of the last."""

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the weighted mean over the heads."""
        shares = [0.5**level for level in range(logits.shape[1])]
        each = [s * ClassLoss.forward(self, logits[:, n], target) for n, s in enumerate(shares)]
        return torch.stack(each).sum() / sum(shares)


# The product's loss; on every head; FracSegNet's, whose weights take effect gradually
LOSSES: dict[str, Callable[[tuple[float, ...]], ClassLoss]] = {
    "dice_ce": lambda weights: ClassLoss(weights, (), dice_of_absent=True),
    "distance_weighted": lambda weights: DistanceWeightedLoss(weights, (), dice_of_absent=True, contact=2),
    "deep_supervision": lambda weights: DeepSupervisionLoss(weights, (), dice_of_absent=True),
}
