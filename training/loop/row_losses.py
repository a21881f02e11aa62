"""Losses and scores of networks that outline or name bones of a row one by one."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, nll_loss

from training.row_tables import RegionTable, RowTable
from training.simulate.row_patches import UNKNOWN, Patch

# About the share of a patch that one bone fills: means over voxels are divided by it, whether the patch holds
# much of a bone or nothing
USUAL_SHARE = 0.05


class InstanceLoss(nn.Module):
    """Errors at the border of a bone weigh more: w = 1 + 8 exp(-d^2 / 36), d in mm (Lessmann et al. 2019).

    Voxels called bone wrongly count little at first and fully from the middle of the training on, so that the
    network first learns to find the bone. Within it, cross-entropy tells a whole bone from a part of one.
    """

    def __init__(self, rules: RowTable) -> None:
        super().__init__()
        self.rules = rules
        self.share_done = 0.0

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of logits (N, 3, ...) and of classes and distances (N, 2, ...)."""
        classes, distance = target[:, 0], target[:, 1].float()
        inside = (classes > 0).float()
        logs = torch.log_softmax(logits, 1)
        bone = 1 - logs[:, 0].exp()
        weight = 1 + self.rules.border_weight * torch.exp(-((distance / self.rules.border_mm) ** 2))
        missed, strays = weight * inside * (1 - bone), weight * (1 - inside) * bone
        error = (missed.mean() + self.weight_of_strays() * strays.mean()) / USUAL_SHARE
        return error + cross_entropy(logits, classes) + self.of_kinds(logits, classes)

    def weight_of_strays(self) -> float:
        """Returns the weight of voxels called bone wrongly, at the present share of the training."""
        low, high = self.rules.strays
        return low + (high - low) * min(2 * self.share_done, 1.0)

    @staticmethod
    def of_kinds(logits: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        """Returns the cross-entropy of whole against partial within the bone."""
        own = classes > 0
        if not own.any():
            return logits.sum() * 0
        kinds = torch.log_softmax(logits[:, 1:], 1).movedim(1, -1)[own]
        return nll_loss(kinds, classes[own] - 1)


class LevelLoss(nn.Module):
    """Cross-entropy of the level, of its region, and of ribs where they are known."""

    def __init__(self, regions: tuple[RegionTable, ...]) -> None:
        super().__init__()
        self.regions = regions
        self.share_done = 0.0

    def forward(self, scores: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of scores (N, levels + regions + 1) and of level, region and ribs (N, 3)."""
        levels, regions, ribs = split(scores, self.regions)
        loss = cross_entropy(levels, target[:, 0] - 1) + 0.5 * cross_entropy(regions, target[:, 1])
        known = target[:, 2] != UNKNOWN
        if known.any():
            loss = loss + 0.5 * binary_cross_entropy_with_logits(ribs[known], target[known, 2].float())
        return loss


def split(
    scores: torch.Tensor, regions: tuple[RegionTable, ...]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Returns the scores of levels, regions and ribs, the heads of a network that tells levels."""
    count = sum(region.levels for region in regions)
    return scores[:, 1 : 1 + count], scores[:, 1 + count : -1], scores[:, -1]


def level_accuracy(
    regions: tuple[RegionTable, ...],
    model: nn.Module,
    patches: list[Patch],
    device: torch.device,
    half: bool,
) -> NDArray[np.float64]:
    """Returns the share (outputs - 1,) of bones of each level that are named rightly; NaN where none are."""
    hits: dict[int, list[bool]] = {}
    scores = torch.zeros(0)
    for image, target in patches:
        scores = run(model, image, device, half)[0]
        levels, _, _ = split(scores[None], regions)
        hits.setdefault(int(target[0]), []).append(int(levels[0].argmax()) + 1 == int(target[0]))
    return np.array([np.mean(hits[n]) if n in hits else np.nan for n in range(1, len(scores))])


def run(model: nn.Module, image: torch.Tensor, device: torch.device, half: bool) -> torch.Tensor:
    """Returns what a network says of one patch."""
    batch = image[None].to(device).float().contiguous(memory_format=torch.channels_last_3d)
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=half):
        found: torch.Tensor = model(batch).float()
    return found
