"""Networks by name: the table that package.toml's `architecture` is looked up in."""

from __future__ import annotations

from collections.abc import Callable
from pkgutil import resolve_name
from typing import Any

from torch import nn

from operators.errors import ModelError
from operators.networks.monai_architectures import MONAI_ARCHITECTURES
from operators.networks.nnunet_architectures import NNUNET_ARCHITECTURES

# Imported when one is first wanted: MONAI takes 3 s and 300 MB, which nnU-Net's networks do without
NEED_MONAI = {
    "plain_unet": "operators.networks.own_unets:plain_unet",
    "subpixel_unet": "operators.networks.own_unets:SubpixelUNet",
    **MONAI_ARCHITECTURES,
}


def maker_of(architecture: str) -> Callable[..., nn.Module]:
    """What builds it. Raises ModelError for a name that does not exist."""
    if architecture in NNUNET_ARCHITECTURES:
        return NNUNET_ARCHITECTURES[architecture]
    if architecture not in NEED_MONAI:
        known = ", ".join((*NEED_MONAI, *NNUNET_ARCHITECTURES))
        raise ModelError(
            f"expected one of the architectures {known}, got {architecture!r}", code="architecture_unknown"
        )
    maker: Callable[..., nn.Module] = resolve_name(NEED_MONAI[architecture])
    return maker


def build(architecture: str, **arguments: Any) -> nn.Module:
    """A network with random weights. Raises ModelError for a name or arguments that do not exist."""
    make = maker_of(architecture)
    try:
        return make(**arguments)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"expected arguments of {architecture}, got {arguments}: {error}", code="architecture_arguments"
        ) from error
