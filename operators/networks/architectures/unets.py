"""nnU-Net's two U-Nets, built so that the published weights load one to one.

The encoder has plain convolutions (nnU-Net v1 and v2) or residual blocks (v2); both have the same decoder.
Tensors are named as in dynamic-network-architectures, without its second names for the same tensor. Dropout
is left out: it has no effect at inference.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn

from operators.networks.architectures.unet_arguments import Sides

CONVOLUTIONS: dict[int, Callable[..., nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, Callable[..., nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
MEANS: dict[int, Callable[..., nn.Module]] = {2: nn.AvgPool2d, 3: nn.AvgPool3d}
NORMS: dict[str, dict[int, Callable[..., nn.Module]]] = {
    "instance": {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d},
    "batch": {2: nn.BatchNorm2d, 3: nn.BatchNorm3d},
    "none": {2: nn.Identity, 3: nn.Identity},
}
ACTIVATIONS: dict[str, Callable[[float], nn.Module]] = {
    "leaky_relu": lambda slope: nn.LeakyReLU(slope, inplace=True),
    "relu": lambda _: nn.ReLU(inplace=True),
}


@dataclass(frozen=True)
class Layers:
    """The options of every convolution of a network. Raises ValueError for an unknown name."""

    dimensions: int
    bias: bool = True
    norm: str = "instance"
    norm_eps: float = 1e-5
    norm_affine: bool = True
    activation: str = "leaky_relu"
    slope: float = 0.01

    def __post_init__(self) -> None:
        for what, value, known in (
            ("dimensions", self.dimensions, CONVOLUTIONS),
            ("norm", self.norm, NORMS),
            ("activation", self.activation, ACTIVATIONS),
        ):
            if value not in known:
                raise ValueError(f"expected {what} of {list(known)}, got {value!r}")

    def normalisation(self, channels: int) -> nn.Module:
        """Returns a normalisation layer for a number of channels."""
        return NORMS[self.norm][self.dimensions](channels, eps=self.norm_eps, affine=self.norm_affine)

    def act(self) -> nn.Module:
        """Returns a layer of the nonlinearity."""
        return ACTIVATIONS[self.activation](self.slope)


class ConvBlock(nn.Module):
    """A convolution, a norm and a nonlinearity (left out unless `active`)."""

    def __init__(
        self,
        layers: Layers,
        inputs: int,
        outputs: int,
        kernel: Sides,
        stride: Sides | int = 1,
        *,
        active: bool = True,
        bias: bool | None = None,
    ) -> None:
        super().__init__()
        padding = [(side - 1) // 2 for side in kernel]
        step = stride if isinstance(stride, int) else tuple(stride)
        self.conv = CONVOLUTIONS[layers.dimensions](
            inputs, outputs, tuple(kernel), step, padding, bias=layers.bias if bias is None else bias
        )
        self.norm = layers.normalisation(outputs)
        self.nonlin = layers.act() if active else nn.Identity()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns features (N, outputs, ...)."""
        features: torch.Tensor = self.nonlin(self.norm(self.conv(image)))
        return features


class ConvStack(nn.Module):
    """A stack of ConvBlocks, the first of which has the stride."""

    def __init__(
        self, layers: Layers, count: int, inputs: int, outputs: int, kernel: Sides, stride: Sides | int = 1
    ) -> None:
        super().__init__()
        first = ConvBlock(layers, inputs, outputs, kernel, stride)
        others = (ConvBlock(layers, outputs, outputs, kernel) for _ in range(count - 1))
        self.convs = nn.Sequential(first, *others)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns features (N, outputs, ...)."""
        features: torch.Tensor = self.convs(image)
        return features


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut, which is averaged and projected if necessary (ResNet-D)."""

    def __init__(self, layers: Layers, inputs: int, outputs: int, kernel: Sides, stride: Sides) -> None:
        super().__init__()
        self.conv1 = ConvBlock(layers, inputs, outputs, kernel, stride)
        self.conv2 = ConvBlock(layers, outputs, outputs, kernel, active=False)
        self.nonlin2 = layers.act()
        ones, steps = [1] * layers.dimensions, tuple(stride)
        shortcut: list[nn.Module] = []
        if any(step != 1 for step in steps):
            shortcut.append(MEANS[layers.dimensions](steps, steps))
        if inputs != outputs:
            shortcut.append(ConvBlock(layers, inputs, outputs, ones, active=False, bias=False))
        self.skip = nn.Sequential(*shortcut)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns features (N, outputs, ...)."""
        features: torch.Tensor = self.nonlin2(self.conv2(self.conv1(image)) + self.skip(image))
        return features


class ResidualStack(nn.Module):
    """A stack of ResidualBlocks, the first of which has the stride."""

    def __init__(
        self, layers: Layers, count: int, inputs: int, outputs: int, kernel: Sides, stride: Sides
    ) -> None:
        super().__init__()
        ones = [1] * layers.dimensions
        first = ResidualBlock(layers, inputs, outputs, kernel, stride)
        self.blocks = nn.Sequential(
            first, *(ResidualBlock(layers, outputs, outputs, kernel, ones) for _ in range(count - 1))
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns features (N, outputs, ...)."""
        features: torch.Tensor = self.blocks(image)
        return features


class Encoder(nn.Module):
    """Stages of falling resolution; returns the features of each."""

    def __init__(self, stages: Sequence[nn.Module], stem: nn.Module | None = None) -> None:
        super().__init__()
        if stem is not None:
            self.stem = stem
        self.has_stem = stem is not None
        self.stages = nn.Sequential(*stages)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Returns the features of every stage, finest first."""
        found = [self.stem(image) if self.has_stem else image]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found[1:]


class Decoder(nn.Module):
    """Decodes from the coarsest features back to the finest, and to logits."""

    def __init__(
        self,
        layers: Layers,
        features: Sequence[int],
        strides: Sequence[Sides],
        kernels: Sequence[Sides],
        blocks: Sequence[int],
        outputs: int,
        upsampling_bias: bool,
        head_bias: bool,
    ) -> None:
        super().__init__()
        convolution, transposed = CONVOLUTIONS[layers.dimensions], TRANSPOSED[layers.dimensions]
        steps = [tuple(stride) for stride in reversed(strides)][: len(features) - 1]
        pairs = list(pairwise(reversed(features)))
        self.transpconvs = nn.ModuleList(
            transposed(below, skip, step, step, bias=upsampling_bias)
            for (below, skip), step in zip(pairs, steps, strict=True)
        )
        self.stages = nn.ModuleList(
            ConvStack(layers, count, 2 * skip, skip, kernel)
            for (_, skip), count, kernel in zip(pairs, blocks, kernels, strict=True)
        )
        self.head = convolution(features[0], outputs, 1, bias=head_bias)

    def forward(self, found: list[torch.Tensor]) -> torch.Tensor:
        """Returns logits (N, outputs, ...) from the features of the encoder's stages."""
        # The features of coarser stages are not kept
        (finest,) = deque(self.features(found), maxlen=1)
        logits: torch.Tensor = self.head(finest)
        return logits

    def features(self, found: list[torch.Tensor]) -> Iterator[torch.Tensor]:
        """Yields the decoder's features of every stage, coarsest first, from the encoder's."""
        image = found[-1]
        skips = reversed(found[:-1])
        for up, stage, skip in zip(self.transpconvs, self.stages, skips, strict=True):
            image = stage(torch.cat((up(image), skip), 1))
            yield image


class NnUNet(nn.Module):
    """A U-Net of an encoder and a decoder."""

    def __init__(self, encoder: Encoder, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits (N, outputs, ...) of an image (N, inputs, ...)."""
        logits: torch.Tensor = self.decoder(self.encoder(image))
        return logits
