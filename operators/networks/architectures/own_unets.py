"""The U-Nets of Osteon's own packages."""

from __future__ import annotations

import torch
from torch import nn

from operators.networks.architectures.nnunet_architectures import unet
from operators.networks.architectures.unet_arguments import SUBPIXELS, plain_arguments
from operators.networks.architectures.unets import NnUNet


def plain_unet(*, dimensions: int, outputs: int, filters: tuple[int, ...], inputs: int = 1) -> NnUNet:
    """Returns nnU-Net's plain U-Net: two 3-kernels and instance norms per level, halved at each, no redundant
    bias.

    MONAI's DynUNet is the same network, but its module takes 3 s and 300 MB to import.
    """
    return unet(False, **plain_arguments(dimensions, outputs, filters, inputs))


class SubpixelUNet(nn.Module):
    """A plain U-Net at half the resolution: blocks of 2x2x2 voxels enter and leave as channels.

    No voxel is lost at the input, and the costly level at full resolution is avoided (pixel shuffle: Shi et
    al. 2016).
    """

    def __init__(self, dimensions: int, outputs: int, filters: tuple[int, ...], inputs: int = 1) -> None:
        super().__init__()
        self.dimensions = dimensions
        block = SUBPIXELS**dimensions
        self.unet = plain_unet(
            dimensions=dimensions, inputs=block * inputs, outputs=block * outputs, filters=filters
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits (N, outputs, ...) of an image (N, inputs, ...) with even sides."""
        return spread(self.unet(gathered(image)))


def gathered(image: torch.Tensor) -> torch.Tensor:
    """Returns blocks of an image (N, C, ...) as channels (N, C times a block, ...), last axis fastest."""
    for axis in reversed(range(2, image.dim())):
        image = image.unflatten(axis, (-1, SUBPIXELS))
    axes = range(2, image.dim())
    return image.permute(0, 1, *axes[1::2], *axes[::2]).flatten(1, 1 + len(axes) // 2)


def spread(blocks: torch.Tensor) -> torch.Tensor:
    """Inverts `gathered`."""
    dimensions = blocks.dim() - 2
    blocks = blocks.unflatten(1, (-1, *[SUBPIXELS] * dimensions))
    pairs = [axis for n in range(2, 2 + dimensions) for axis in (n + dimensions, n)]
    image = blocks.permute(0, 1, *pairs)
    for axis in range(2, 2 + dimensions):
        image = image.flatten(axis, axis + 1)
    return image
