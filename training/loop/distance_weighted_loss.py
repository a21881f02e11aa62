"""FracSegNet's loss (Liu et al., MICCAI 2023): errors near the faces where bones touch weigh more."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy import ndimage
from torch.nn import functional

from training.loop.class_loss import SMOOTH_VOXELS, ClassLoss

# The weight far from every contact, outside bones, and everywhere in a patch without a contact
LEAST_WEIGHT = 0.2


class DistanceWeightedLoss(ClassLoss):
    """Dice + cross-entropy with voxel weights that take effect gradually: (1 - s) + s w at the share s done.

    `contact` is the class of contact surfaces; without one, voxels of two classes that touch are the contact.
    Patches in which voxels are unknown have no weights.
    """

    def __init__(
        self,
        weights: tuple[float, ...] | None,
        absent: Sequence[tuple[int, ...]],
        dice_of_absent: bool = False,
        contact: int | None = None,
    ) -> None:
        super().__init__(weights, absent, dice_of_absent)
        self.contact = contact

    def of_known(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns weighted Dice + cross-entropy of patches in which every voxel is known."""
        weight = torch.stack([distance_weight(one, self.contact) for one in target.cpu()]).to(logits)
        weight = 1 - self.share_done + self.share_done * weight
        weight = weight / weight.mean()
        dice = weighted_dice(logits, target, weight)
        return self.mean_of_counted(dice, target) + weighted_entropy(
            logits, target, weight, self.cross_entropy.weight
        )


def distance_weight(target: torch.Tensor, contact: int | None) -> torch.Tensor:
    """Returns weights (I, J, K): at d from the contact, 0.2 + 0.8 / (1 + exp(10 d / max d - 5))."""
    weight = torch.full(target.shape, LEAST_WEIGHT)
    touching = (touching_voxels(target) if contact is None else target == contact).numpy()
    if touching.any():
        distance = torch.from_numpy(ndimage.distance_transform_edt(~touching)).float()
        inside = target > 0
        scaled = 10 * distance / distance[inside].max().clamp(min=1.0)
        weight[inside] = ((1 - LEAST_WEIGHT) / (1 + torch.exp(scaled - 5)) + LEAST_WEIGHT)[inside]
    return weight


def touching_voxels(target: torch.Tensor) -> torch.Tensor:
    """Returns the voxels (I, J, K) of a class that share a face with one of another class, not background."""
    touching = torch.zeros_like(target, dtype=torch.bool)
    for axis, size in enumerate(target.shape):
        low, high = target.narrow(axis, 0, size - 1), target.narrow(axis, 1, size - 1)
        apart = (low != high) & (low > 0) & (high > 0)
        touching.narrow(axis, 0, size - 1).logical_or_(apart)
        touching.narrow(axis, 1, size - 1).logical_or_(apart)
    return touching


def weighted_dice(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Returns the Dice loss of each class but the background, with voxel weights (N, I, J, K)."""
    share = torch.softmax(logits, dim=1)[:, 1:]
    truth = functional.one_hot(target, logits.shape[1]).movedim(-1, 1)[:, 1:]
    axes = (0, *range(2, logits.ndim))
    common = (weight[:, None] * share * truth).sum(axes)
    total = (weight[:, None] * (share + truth)).sum(axes)
    return 1 - (2 * common + SMOOTH_VOXELS) / (total + SMOOTH_VOXELS)


def weighted_entropy(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, of_class: torch.Tensor | None
) -> torch.Tensor:
    """Returns the cross-entropy with weights of voxels and of classes."""
    each = functional.cross_entropy(logits, target, reduction="none")
    both = weight if of_class is None else weight * of_class[target]
    return (both * each).sum() / both.sum()
