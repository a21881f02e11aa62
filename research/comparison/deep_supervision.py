"""The sub-pixel U-Net with an output at each upper level during training."""

from __future__ import annotations

import torch
from torch import nn

from operators.networks.architectures.own_unets import SUBPIXELS, SubpixelUNet, gathered, spread
from operators.networks.architectures.unets import CONVOLUTIONS

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
