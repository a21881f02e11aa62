"""Losses to compare with the product's: weighted by distance to the contact, or deeply supervised."""

from __future__ import annotations

from collections.abc import Callable

import torch
from scipy import ndimage
from torch.nn import functional

from training.loop.losses import SMOOTH_VOXELS, TrainingLoss

Loss = Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]


def plain(class_weights: tuple[float, ...]) -> Loss:
    """Returns the product's loss."""
    loss = TrainingLoss(class_weights, (), dice_of_absent=True)
    return lambda logits, target, _: loss(logits, target)


def deeply_supervised(class_weights: tuple[float, ...]) -> Loss:
    """Returns the product's loss on every head (N, heads, C, I, J, K), each weighted half of the last."""
    loss = TrainingLoss(class_weights, (), dice_of_absent=True)

    def of_heads(logits: torch.Tensor, target: torch.Tensor, _: float) -> torch.Tensor:
        shares = [0.5**level for level in range(logits.shape[1])]
        each = [share * loss(logits[:, level], target) for level, share in enumerate(shares)]
        return torch.stack(each).sum() / sum(shares)

    return of_heads


def distance_weighted(class_weights: tuple[float, ...]) -> Loss:
    """Returns FracSegNet's loss (Liu et al., MICCAI 2023), whose weights take effect gradually."""
    of_class = torch.tensor(class_weights)

    def weighted(logits: torch.Tensor, target: torch.Tensor, done: float) -> torch.Tensor:
        weight = torch.stack([distance_weight(one) for one in target])
        weight = (1 - done) + done * weight
        weight = weight / weight.mean()
        return weighted_dice(logits, target, weight) + weighted_entropy(logits, target, weight, of_class)

    return weighted


def distance_weight(target: torch.Tensor) -> torch.Tensor:
    """Returns weights near 1 at the contact (class 2), down to 0.2 far from it, outside or without any."""
    weight = torch.full(target.shape, 0.2)
    at_contact = (target == 2).numpy()
    if at_contact.any():
        distance = torch.from_numpy(ndimage.distance_transform_edt(~at_contact)).float()
        inside = target > 0
        scaled = 10 * distance / distance[inside].max().clamp(min=1.0)
        weight[inside] = (0.8 / (1 + torch.exp(scaled - 5)) + 0.2)[inside]
    return weight


def weighted_dice(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Returns the mean Dice loss over the classes but the background, with voxel weights (N, I, J, K)."""
    share = torch.softmax(logits, dim=1)[:, 1:]
    truth = functional.one_hot(target, logits.shape[1]).movedim(-1, 1)[:, 1:]
    axes = (0, *range(2, logits.ndim))
    common = (weight[:, None] * share * truth).sum(axes)
    total = (weight[:, None] * (share + truth)).sum(axes)
    return (1 - (2 * common + SMOOTH_VOXELS) / (total + SMOOTH_VOXELS)).mean()


def weighted_entropy(
    logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, of_class: torch.Tensor
) -> torch.Tensor:
    """Returns the cross-entropy with weights of voxels and of classes."""
    each = functional.cross_entropy(logits, target, reduction="none")
    both = weight * of_class[target]
    return (both * each).sum() / both.sum()


LOSSES: dict[str, Callable[[tuple[float, ...]], Loss]] = {
    "dice_ce": plain,
    "distance_weighted": distance_weighted,
    "deep_supervision": deeply_supervised,
}
