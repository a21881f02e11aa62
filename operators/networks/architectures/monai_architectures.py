"""The rows of the table of architectures that MONAI bundles lead to: MONAI's own classes, by their places."""

from __future__ import annotations

# One input and one output of its size; constructed from plain values. Their `_target_` in lower case
CLASSES = (
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
MONAI_ARCHITECTURES = {f"monai_{name.lower()}": f"monai.networks.nets:{name}" for name in CLASSES}
