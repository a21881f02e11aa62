"""The loss of classes of voxels: MONAI's Dice with cross-entropy; of unknown voxels, what they may not be."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from monai.losses import DiceLoss
from torch.nn.functional import cross_entropy

from training.subjects.subjects import LEAST_UNKNOWN, NOT_OURS

# With less smoothing, a few stray voxels of a nearly absent class cost as much as missing a whole bone, and
# that noise hid the signal.
SMOOTH_VOXELS = 100.0


class ClassLoss(torch.nn.Module):
    """Dice + cross-entropy; unknown voxels penalise only classes that are known to be absent.

    `absent` are the classes that may not appear in unknown voxels: those marked NOT_OURS, those marked one
    less, and so on. Dice counts only the classes present in a
    patch, unless `dice_of_absent`: many patches lack the rarer bones, and a Dice of 0 drove their
    probability so low that they were never found again. Cross-entropy penalises their false positives.
    """

    def __init__(
        self,
        weights: tuple[float, ...] | None,
        absent: Sequence[tuple[int, ...]],
        dice_of_absent: bool = False,
    ) -> None:
        super().__init__()
        weight = torch.tensor(weights) if weights else None
        self.dice = DiceLoss(
            to_onehot_y=True,
            softmax=True,
            include_background=False,
            batch=True,
            reduction="none",
            smooth_nr=SMOOTH_VOXELS,
            smooth_dr=SMOOTH_VOXELS,
        )
        self.cross_entropy = torch.nn.CrossEntropyLoss(weight=weight)
        self.absent = absent
        self.dice_of_absent = dice_of_absent
        self.share_done = 0.0

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of logits (N, C, I, J, K) and targets (N, I, J, K)."""
        partly = (target >= LEAST_UNKNOWN).flatten(1).any(dim=1)
        if not partly.any():
            return self.of_known(logits, target)
        each = [self.of_absence(logits[[n]], target[[n]]) for n in torch.nonzero(partly).flatten().tolist()]
        if not partly.all():
            each += [self.of_known(logits[~partly], target[~partly])] * int((~partly).sum())
        return torch.stack(each).mean()

    def of_known(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns Dice + cross-entropy of patches in which every voxel is known."""
        entropy: torch.Tensor = self.cross_entropy(logits, target)
        return self.mean_dice(logits, target) + entropy

    def of_absence(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the loss of a patch in which unknown voxels may be anything but the absent classes."""
        unknown = target >= LEAST_UNKNOWN
        group = NOT_OURS - int(target.max())
        allowed = [c for c in range(logits.shape[1]) if c not in self.absent[group]]
        log_total = torch.logsumexp(logits, dim=1)
        elsewhere = (log_total - torch.logsumexp(logits[:, allowed], dim=1))[unknown].mean()
        if unknown.all():
            return elsewhere
        return elsewhere + cross_entropy(logits, target.masked_fill(unknown, -1), ignore_index=-1)

    def mean_dice(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean Dice loss over the classes that count in this patch."""
        return self.mean_of_counted(self.dice(logits, target[:, None]).flatten(), target)

    def mean_of_counted(self, each: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Returns the mean Dice loss over the classes that count in this patch; 0 where there are none."""
        if self.dice_of_absent:
            return each.mean()
        there = torch.bincount(target.flatten(), minlength=len(each) + 1)[1:] > 0
        return each[there].sum() / max(int(there.sum()), 1)
