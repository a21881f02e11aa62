"""Builds networks by name: the table in which package.toml's `architecture` is looked up."""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

import torch
from torch import nn

from operators.errors import ModelError
from operators.networks.architectures.level_reader import LevelReader
from operators.networks.architectures.nnunet_architectures import NNUNET_ARCHITECTURES
from operators.networks.architectures.own_unets import SubpixelUNet, plain_unet
from operators.networks.architectures.radiograph_network import RadiographReader
from operators.process.monai_import import import_monai

# No probability counts as less: its logarithm would have no end
LEAST_PROBABILITY = 1e-6


class Ensemble(nn.Module):
    """Networks of one architecture, `of`, whose probabilities of classes are averaged."""

    def __init__(self, members: int, of: str, **arguments: Any) -> None:
        super().__init__()
        self.members = nn.ModuleList(build(of, **arguments) for _ in range(members))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Returns logits (N, outputs, ...) whose softmax is the mean of the members' softmax."""
        found = torch.stack([member(image).softmax(dim=1) for member in self.members])
        return found.mean(dim=0).clamp_min(LEAST_PROBABILITY).log()


OWN: dict[str, Callable[..., nn.Module]] = {
    "plain_unet": plain_unet,
    "subpixel_unet": SubpixelUNet,
    "ensemble": Ensemble,
    "radiograph_reader": RadiographReader,
    "level_reader": LevelReader,
    **NNUNET_ARCHITECTURES,
}


# MONAI's classes that bundles use: networks with one input and one output of its size, constructed from plain
# values; named by `_target_` in lower case
MONAI_CLASSES = (
    "UNet",
    "BasicUNet",
    "DynUNet",
    "SegResNet",
    "SegResNetDS",
    "AttentionUnet",
    "VNet",
    "UNETR",
    "SwinUNETR",
)
MONAI_ARCHITECTURES = {f"monai_{name.lower()}": f"monai.networks.nets:{name}" for name in MONAI_CLASSES}


def maker_of(architecture: str) -> Callable[..., nn.Module]:
    """Returns the class or function that builds an architecture. Raises ModelError for an unknown name."""
    if architecture in OWN:
        return OWN[architecture]
    if architecture not in MONAI_ARCHITECTURES:
        known = ", ".join((*OWN, *MONAI_ARCHITECTURES))
        raise ModelError(
            f"expected one of the architectures {known}, got {architecture!r}", code="architecture_unknown"
        )
    # Imported on first use: MONAI takes 3 s and 300 MB, which the others do without
    import_monai()
    maker: Callable[..., nn.Module] = resolve_name(MONAI_ARCHITECTURES[architecture])
    return maker


def build(architecture: str, **arguments: Any) -> nn.Module:
    """Builds a network with random weights. Raises ModelError for an unknown name or unknown arguments."""
    make = maker_of(architecture)
    try:
        return make(**arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"expected arguments of {architecture}, got {arguments}: {error}", code="architecture_arguments"
        ) from error
