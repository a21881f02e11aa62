"""The network: a residual encoder, a decoder to half the image's resolution, and an image-level head."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.radiograph.dataset import ATTRIBUTES

# The maps that the network draws
FRACTURE, BREAK, TEXTURE = range(3)
MAPS = 3
# Local contrast is measured in windows of about this many pixels
CONTRAST_PIXELS = 24
# The image-level head also sees the mean of so many of the highest logits of the coarse map
HIGHEST = 8


@dataclass(frozen=True)
class NetworkSize:
    """Channels at 1/2, 1/4, 1/8 ... of the image's resolution, and residual blocks from 1/4 on."""

    channels: tuple[int, ...] = (16, 32, 64, 128, 256)
    blocks: tuple[int, ...] = (2, 3, 3, 2)


class Output(NamedTuple):
    """Logits of N images.

    `maps` (N, MAPS, H/2, W/2); `coarse` (N, 2, H/8, W/8): fracture and break; `image` (N, 2): the same
    for the whole image; `attributes` (N, len(ATTRIBUTES)).
    """

    maps: Tensor
    coarse: Tensor
    image: Tensor
    attributes: Tensor


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = convolution(inputs, outputs, 3, stride)
        self.second = convolution(outputs, outputs, 3)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else convolution(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, H, W) to (N, outputs, H/stride, W/stride)."""
        y = self.second(functional.relu(self.first(x), inplace=True))
        return functional.relu(y + self.shortcut(x), inplace=True)


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class RadiographNetwork(nn.Module):
    """Maps of fractures, and one logit an image, from grey values between 0 and 1.

    Height and width have to be multiples of 32.
    """

    def __init__(self, size: NetworkSize | None = None) -> None:
        super().__init__()
        self.size = size or NetworkSize()
        channels = self.size.channels
        self.stem = nn.Sequential(convolution(2, channels[0], 5, 2), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(
            nn.Sequential(ResidualBlock(a, b, 2), *(ResidualBlock(b, b) for _ in range(count - 1)))
            for (a, b), count in zip(pairwise(channels), self.size.blocks, strict=True)
        )
        self.laterals = nn.ModuleList(convolution(b, a, 1) for a, b in pairwise(channels))
        self.joins = nn.ModuleList(ResidualBlock(a, a) for a in channels[:-1])
        self.maps = nn.Conv2d(channels[0], MAPS, 3, padding=1)
        self.coarse = nn.Conv2d(channels[2], 2, 1)
        self.attention = nn.Conv2d(channels[2], 2, 1)
        self.image = nn.ModuleList(nn.Linear(channels[2] + channels[-1] + 2, 1) for _ in range(2))
        self.attributes = nn.Linear(channels[-1], len(ATTRIBUTES))
        self.dropout = nn.Dropout(0.2)
        for head in (self.maps, self.coarse):
            assert head.bias is not None
            nn.init.constant_(head.bias[:2], -4.0)

    def forward(self, x: Tensor) -> Output:
        """Grey values (N, 1, H, W) between 0 and 1 to logits."""
        with torch.autocast(x.device.type, enabled=False):
            x = with_local_contrast(x.float())
        features = [self.stem(x)]
        for stage in self.stages:
            features.append(stage(features[-1]))
        y, at_eighth = features[-1], features[-1]
        for level in reversed(range(len(self.stages))):
            y = functional.interpolate(self.laterals[level](y), scale_factor=2.0, mode="nearest")
            y = self.joins[level](y + features[level])
            if level == 2:
                at_eighth = y
        coarse = self.coarse(at_eighth)
        whole = self.dropout(features[-1].mean((2, 3)))
        return Output(self.maps(y), coarse, self.of_image(at_eighth, coarse, whole), self.attributes(whole))

    def of_image(self, features: Tensor, coarse: Tensor, whole: Tensor) -> Tensor:
        """Image-level logits (N, 2) from features at 1/8, their logits, and the deepest features' mean."""
        weights = self.attention(features).flatten(2).softmax(-1)
        pooled = torch.einsum("nks,ncs->nkc", weights, features.flatten(2))
        high = coarse.flatten(2).topk(HIGHEST).values
        parts = [
            head(torch.cat([self.dropout(pooled[:, k]), whole, high[:, k, :1], high[:, k].mean(-1, True)], 1))
            for k, head in enumerate(self.image)
        ]
        return torch.cat(parts, 1)


def with_local_contrast(x: Tensor) -> Tensor:
    """The image, and beside it the image relative to the mean and spread of its surroundings."""
    return torch.cat([2 * x - 0.5, local_contrast(x)], 1).to(memory_format=torch.channels_last)


def local_contrast(x: Tensor) -> Tensor:
    """(N, 1, H, W): deviations from the local mean in local standard deviations."""
    moments = torch.cat([x, x * x], 1)
    coarse = functional.avg_pool2d(moments, CONTRAST_PIXELS // 3)
    coarse = functional.avg_pool2d(coarse, 3, 1, 1, count_include_pad=False)
    mean, square = functional.interpolate(coarse, x.shape[2:], mode="bilinear").split(1, 1)
    spread = (square - mean * mean).clamp_min(0).sqrt()
    return ((x - mean) / (spread + 0.02)).clamp(-4, 4)
