"""The network of radiographs: residual encoder, decoder to half the image's resolution, image-level heads."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

# The maps that the network draws
FRACTURE, SIMULATED, TEXTURE = range(3)
MAPS = 3
# Local contrast is measured in windows of about this many pixels
CONTRAST_PIXELS = 24
# The image-level head also sees the mean of so many of the highest logits of the coarse map
HIGHEST = 8


class Output(NamedTuple):
    """Logits of N images.

    `maps` (N, MAPS, H/2, W/2); `coarse` (N, 2, H/8, W/8): real, simulated; `image` (N, 2): the same
    for the whole image; `attributes` (N, A); `features` (N, F): the deepest ones' mean, no logits.
    """

    maps: Tensor
    coarse: Tensor
    image: Tensor
    attributes: Tensor
    features: Tensor


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
    """Returns a convolution with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs)
    )


class RadiographNetwork(nn.Module):
    """Maps of fractures, and one logit an image, from grey values between 0 and 1.

    `channels` at 1/2, 1/4, 1/8 ... of the image's resolution, residual `blocks` from 1/4 on; `attributes` is
    how many yes-or-no properties of the image it recognises. Height and width have to be multiples of 32.
    """

    def __init__(self, channels: Sequence[int], blocks: Sequence[int], attributes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(convolution(2, channels[0], 5, 2), nn.ReLU(inplace=True))
        self.stages = nn.ModuleList(
            nn.Sequential(ResidualBlock(a, b, 2), *(ResidualBlock(b, b) for _ in range(count - 1)))
            for (a, b), count in zip(pairwise(channels), blocks, strict=True)
        )
        self.laterals = nn.ModuleList(convolution(b, a, 1) for a, b in pairwise(channels))
        self.joins = nn.ModuleList(ResidualBlock(a, a) for a in channels[:-1])
        self.maps = nn.Conv2d(channels[0], MAPS, 3, padding=1)
        self.coarse = nn.Conv2d(channels[2], 2, 1)
        self.attention = nn.Conv2d(channels[2], 2, 1)
        self.image = nn.ModuleList(nn.Linear(channels[2] + channels[-1] + 2, 1) for _ in range(2))
        self.attributes = nn.Linear(channels[-1], attributes)
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
        deepest = features[-1].mean((2, 3))
        whole = self.dropout(deepest)
        image = self.of_image(at_eighth, coarse, whole)
        return Output(self.maps(y), coarse, image, self.attributes(whole), deepest)

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


class RadiographReader(nn.Module):
    """A trained network with what its training images looked like to it, for use.

    `mean` (F,) and `whitening` (F, F) are of the features of the training images: whitened deviations have a
    variance of 1 along each axis.
    """

    def __init__(self, channels: Sequence[int], blocks: Sequence[int], attributes: int) -> None:
        super().__init__()
        self.network = RadiographNetwork(channels, blocks, attributes)
        self.mean: Tensor
        self.whitening: Tensor
        self.register_buffer("mean", torch.zeros(channels[-1]))
        self.register_buffer("whitening", torch.eye(channels[-1]))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of a grey image (N, 1, H, W), and how far it is from the training images.

        The map of fractures (N, 1, H/2, W/2), the image (N, 1), its attributes (N, A), and the root mean
        square of the whitened deviation of its features (N, 1): about 1 for images like the training's.
        """
        output = self.network(x)
        deviation = (output.features.float() - self.mean) @ self.whitening
        distance = deviation.square().mean(1, keepdim=True).sqrt()
        fractures = output.maps[:, FRACTURE : FRACTURE + 1]
        return fractures, output.image[:, :1], output.attributes, distance


def with_local_contrast(x: Tensor) -> Tensor:
    """Returns the image, and beside it the image relative to the mean and spread of its surroundings."""
    return torch.cat([2 * x - 0.5, local_contrast(x)], 1).to(memory_format=torch.channels_last)


def local_contrast(x: Tensor) -> Tensor:
    """(N, 1, H, W): deviations from the local mean in local standard deviations."""
    moments = torch.cat([x, x * x], 1)
    coarse = functional.avg_pool2d(moments, CONTRAST_PIXELS // 3)
    coarse = functional.avg_pool2d(coarse, 3, 1, 1, count_include_pad=False)
    mean, square = functional.interpolate(coarse, x.shape[2:], mode="bilinear").split(1, 1)
    spread = (square - mean * mean).clamp_min(0).sqrt()
    return ((x - mean) / (spread + 0.02)).clamp(-4, 4)
