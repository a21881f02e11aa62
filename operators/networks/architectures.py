"""Networks by name: the table that package.toml's `architecture` is looked up in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn

from operators.errors import ModelError
from operators.networks.monai_architectures import MONAI_ARCHITECTURES
from operators.networks.nnunet_architectures import NNUNET_ARCHITECTURES

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


ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "plain_unet": plain_unet,
    "subpixel_unet": SubpixelUNet,
    **NNUNET_ARCHITECTURES,
    **MONAI_ARCHITECTURES,
}


def build(architecture: str, **arguments: Any) -> nn.Module:
    """A network with random weights. Raises ModelError for a name or arguments that do not exist."""
    if architecture not in ARCHITECTURES:
        known = ", ".join(ARCHITECTURES)
        raise ModelError(
            f"expected one of the architectures {known}, got {architecture!r}", code="architecture_unknown"
        )
    try:
        return ARCHITECTURES[architecture](**arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"expected arguments of {architecture}, got {arguments}: {error}", code="architecture_arguments"
        ) from error
