"""The rows of the table of architectures that MONAI bundles lead to: MONAI's own classes."""

from __future__ import annotations

from collections.abc import Callable

from monai.networks.nets import (
    UNETR,
    AttentionUnet,
    BasicUNet,
    DynUNet,
    SegResNet,
    SegResNetDS,
    SwinUNETR,
    UNet,
    VNet,
)
from torch import nn

# One input and one output of its size; constructed from plain values. Their `_target_` in lower case
CLASSES = (
    UNet, BasicUNet, DynUNet, SegResNet, SegResNetDS, AttentionUnet, VNet, UNETR, SwinUNETR,
)
MONAI_ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    f"monai_{network.__name__.lower()}": network for network in CLASSES
}
