"""Losses: MONAI's Dice with cross-entropy, and one for patches of which only an absence is known."""

from __future__ import annotations

import torch
from monai.losses import DiceLoss

from training.subjects import NOT_OURS

# Many patches hold only some of the classes. With less smoothing, a few stray voxels of an absent
# class cost as much as missing a whole bone, and that noise drowned what was to be learned.
SMOOTH_VOXELS = 100.0


class TrainingLoss:
    """Dice + cross-entropy; in voxels marked NOT_OURS only the package's own bones are punished.

    `absent` are the classes that may not appear there.
    """

    def __init__(self, weights: tuple[float, ...] | None, absent: tuple[int, ...]) -> None:
        weight = torch.tensor(weights) if weights else None
        self.dice = DiceLoss(
            to_onehot_y=True,
            softmax=True,
            include_background=False,
            batch=True,
            smooth_nr=SMOOTH_VOXELS,
            smooth_dr=SMOOTH_VOXELS,
        )
        self.cross_entropy = torch.nn.CrossEntropyLoss(weight=weight)
        self.absent = absent

    def to(self, device: torch.device) -> TrainingLoss:
        """This loss, its class weights on `device`."""
        self.cross_entropy.to(device)
        return self

    def __call__(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Logits (1, C, I, J, K) and targets (1, I, J, K)."""
        unknown = target == NOT_OURS
        if not unknown.any():
            dice: torch.Tensor = self.dice(logits, target[:, None])
            return dice + self.cross_entropy(logits, target)
        allowed = [c for c in range(logits.shape[1]) if c not in self.absent]
        log_total = torch.logsumexp(logits, dim=1)
        elsewhere = (log_total - torch.logsumexp(logits[:, allowed], dim=1))[unknown].mean()
        if unknown.all():
            return elsewhere
        background = (log_total - logits[:, 0])[~unknown].mean()
        return elsewhere + background
