"""The U-Nets of Osteon's own packages, built of MONAI's parts."""

from __future__ import annotations

import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn

SUBPIXELS = 2


def plain_unet(*, dimensions: int, outputs: int, filters: tuple[int, ...], inputs: int = 1) -> nn.Module:
    """nnU-Net's plain U-Net in MONAI's form: 3-kernels, halved at each level, instance norm."""
    levels = len(filters)
    return DynUNet(
        spatial_dims=dimensions,
        in_channels=inputs,
        out_channels=outputs,
        kernel_size=[3] * levels,
        strides=[1] + [2] * (levels - 1),
        upsample_kernel_size=[2] * (levels - 1),
        filters=list(filters),
        norm_name=("INSTANCE", {"affine": True}),
        act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
    )


class SubpixelUNet(nn.Module):
    """A plain U-Net at half the resolution: blocks of 2x2x2 voxels go in and out as channels.

    No voxel is lost on the way in, and the costly level at full resolution is spared
    (pixel shuffle: Shi et al. 2016).
    """

    def __init__(self, dimensions: int, outputs: int, filters: tuple[int, ...], inputs: int = 1) -> None:
        super().__init__()
        self.dimensions = dimensions
        block = SUBPIXELS**dimensions
        self.unet = plain_unet(
            dimensions=dimensions, inputs=block * inputs, outputs=block * outputs, filters=filters
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits (N, outputs, ...) of an image (N, inputs, ...) with even sides."""
        blocks = self.unet(pixelunshuffle(image, self.dimensions, SUBPIXELS))
        logits: torch.Tensor = pixelshuffle(blocks, self.dimensions, SUBPIXELS)
        return logits
