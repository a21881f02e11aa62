"""The architectures of MONAI bundles: MONAI's own classes, by their import paths."""

from __future__ import annotations

# Networks with one input and one output of its size, constructed from plain values; named by `_target_` in
# lower case
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
