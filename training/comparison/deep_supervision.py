"""The sub-pixel U-Net with an answer at each of its upper levels while it is trained."""

from __future__ import annotations

import torch
from monai.networks.nets.dynunet import DynUNet
from monai.networks.utils import pixelshuffle, pixelunshuffle
from torch import nn

from operators.networks.own_unets import SUBPIXELS, SubpixelUNet

LEVELS = 2


class SupervisedUNet(nn.Module):
    """Logits (N, 1 + LEVELS, outputs, ...) in training, else (N, outputs, ...); from `plain`."""

    def __init__(self, plain: SubpixelUNet, outputs: int, filters: tuple[int, ...]) -> None:
        super().__init__()
        self.dimensions = plain.dimensions
        block = SUBPIXELS**plain.dimensions
        self.unet = DynUNet(
            spatial_dims=plain.dimensions,
            in_channels=block,
            out_channels=block * outputs,
            kernel_size=[3] * len(filters),
            strides=[1] + [2] * (len(filters) - 1),
            upsample_kernel_size=[2] * (len(filters) - 1),
            filters=list(filters),
            norm_name=("INSTANCE", {"affine": True}),
            act_name=("leakyrelu", {"inplace": True, "negative_slope": 0.01}),
            deep_supervision=True,
            deep_supr_num=LEVELS,
        )
        self.unet.load_state_dict(plain.unet.state_dict(), strict=False)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """See the class."""
        blocks = self.unet(pixelunshuffle(image, self.dimensions, SUBPIXELS))
        if not self.training:
            answer: torch.Tensor = pixelshuffle(blocks, self.dimensions, SUBPIXELS)
            return answer
        heads = [pixelshuffle(head, self.dimensions, SUBPIXELS) for head in blocks.unbind(1)]
        return torch.stack(heads, dim=1)
