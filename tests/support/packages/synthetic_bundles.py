"""Small, reproducible MONAI bundles with synthetic weights, in the forms of the Model Zoo."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from monai.networks import nets

from tests.support.packages.synthetic_nnunet import made_tensor

LOAD = [
    {"_target_": "LoadImaged", "keys": "image"},
    {"_target_": "EnsureChannelFirstd", "keys": "image"},
]
TURN = {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"}
RANGE = {
    "_target_": "ScaleIntensityRanged",
    "keys": "image",
    "a_min": -350,
    "a_max": 900,
    "b_min": 0.0,
    "b_max": 1.0,
    "clip": True,
}
SOFTMAX = {"_target_": "Activationsd", "keys": "pred", "softmax": True}
ARGMAX = {"_target_": "AsDiscreted", "keys": "pred", "argmax": True}
SAVE = {"_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir"}
DEVICE = "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')"


def spaced(*mm: float) -> dict[str, Any]:
    """Returns the configuration of Spacingd."""
    return {"_target_": "Spacingd", "keys": "image", "pixdim": mm, "mode": "bilinear"}


def inverted(nearest: bool) -> dict[str, Any]:
    """Returns the configuration of Invertd."""
    return {
        "_target_": "Invertd",
        "keys": "pred",
        "transform": "@preprocessing",
        "orig_keys": "image",
        "nearest_interp": nearest,
        "to_tensor": True,
    }


def window(*roi: int, **more: object) -> dict[str, Any]:
    """Returns the configuration of SlidingWindowInferer."""
    return {"_target_": "SlidingWindowInferer", "roi_size": roi, "sw_batch_size": 2, "overlap": 0.5, **more}


@dataclass(frozen=True)
class Bundle:
    """One bundle; the network's arguments are MONAI's."""

    name: str
    network: dict[str, Any]
    before: list[dict[str, Any]]
    inferer: dict[str, Any]
    after: list[dict[str, Any]]
    names: tuple[str, ...] = ("background", "sacrum", "hip_left")
    values: dict[str, Any] = field(default_factory=dict)
    as_yaml: bool = False
    names_key: str = "channel_def"

    def __str__(self) -> str:
        return self.name


UNET = {
    "_target_": "UNet",
    "spatial_dims": 3,
    "in_channels": 1,
    "out_channels": 3,
    "channels": [4, 8, 12],
    "strides": [2, 2],
    "num_res_units": 2,
    "norm": "batch",
}
BUNDLES = (
    # Like spleen_ct_segmentation
    Bundle(
        "unet",
        UNET,
        [*LOAD, TURN, spaced(1.5, 1.4, 1.8), RANGE],
        window(16, 16, 16),
        [SOFTMAX, inverted(False), ARGMAX, SAVE],
    ),
    # Like wholeBody_ct_segmentation: argmax before inversion, replicated padding, Gaussian, expressions
    Bundle(
        "segresnet",
        {
            "_target_": "SegResNet",
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": 3,
            "init_filters": 8,
            "blocks_down": [1, 2],
            "blocks_up": [1],
            "dropout_prob": 0.2,
        },
        [
            *LOAD,
            {"_target_": "EnsureTyped", "keys": "@image_key"},
            TURN,
            {**spaced(), "pixdim": "@pixdim"},
            {"_target_": "NormalizeIntensityd", "keys": "@image_key", "nonzero": True},
            {"_target_": "ScaleIntensityd", "keys": "@image_key", "minv": -1.0, "maxv": 1.0},
        ],
        window(
            16,
            32,
            24,
            overlap="@displayable_configs#sw_overlap",
            padding_mode="replicate",
            mode="gaussian",
            device=DEVICE,
        ),
        [SOFTMAX, ARGMAX, inverted(True), SAVE],
        values={
            "displayable_configs": {"highres": True, "sw_overlap": 0.25},
            "image_key": "image",
            "pixdim": "$[2.0, 2.2, 1.0] if @displayable_configs#highres else [3.0, 3.0, 3.0]",
        },
    ),
    # Like pediatric_abdominal_ct_segmentation: YAML, a crop, outputs of deep supervision
    Bundle(
        "dynunet",
        {
            "_target_": "monai.networks.nets.DynUNet",
            "spatial_dims": "$len(@spatial_size)",
            "in_channels": 1,
            "out_channels": "@output_channels",
            "kernel_size": [3, 3, [3, 3, 1]],
            "filters": [4, 8, 12],
            "strides": [1, 2, [2, 2, 1]],
            "upsample_kernel_size": [2, [2, 2, 1]],
            "norm_name": "instance",
            "deep_supervision": True,
            "deep_supr_num": 1,
            "res_block": True,
        },
        [
            *LOAD,
            {**TURN, "axcodes": "LPS"},
            {**spaced(1.0, 1.3, 2.0), "mode": ["bilinear"]},
            RANGE,
            {"_target_": "CropForegroundd", "keys": ["image"], "source_key": "image", "mode": ["minimum"]},
            {"_target_": "CastToTyped", "keys": "image", "dtype": "$torch.float32"},
        ],
        window(24, 24, 12, overlap=0.75),
        [SOFTMAX, inverted(False), ARGMAX, SAVE],
        values={"spatial_size": [24, 24, 12], "output_channels": 3},
        as_yaml=True,
        names_key="label_def",
    ),
    # Region-based classes, and a norm with arguments
    Bundle(
        "basic",
        {
            "_target_": "BasicUNet",
            "spatial_dims": 3,
            "in_channels": 1,
            "out_channels": 2,
            "features": [4, 4, 8, 8, 12, 4],
            "norm": ["instance", {"affine": True}],
            "act": "relu",
        },
        [
            *LOAD,
            TURN,
            RANGE,
            spaced(1.9, 1.9, 1.7),
            {"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": True},
        ],
        window(32, 32, 32, mode="constant"),
        [
            {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
            inverted(True),
            {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
            SAVE,
        ],
        names=("sacrum", "hip_left"),
    ),
)

COMMON = {"spatial_dims": 3, "in_channels": 1, "out_channels": 3}
# The other networks of the table, each with the transforms most common in the Model Zoo
OTHER_NETWORKS = (
    {"_target_": "SegResNetDS", **COMMON, "init_filters": 4, "blocks_down": [1, 1, 2], "dsdepth": 2},
    {"_target_": "AttentionUnet", **COMMON, "channels": [4, 8, 12], "strides": [2, 2]},
    {"_target_": "VNet", **COMMON, "dropout_prob_down": 0.5, "act": "elu"},
    {
        "_target_": "UNETR",
        **COMMON,
        "img_size": 32,
        "feature_size": 4,
        "hidden_size": 24,
        "mlp_dim": 32,
        "num_heads": 4,
        "proj_type": "conv",
    },
    # Like swin_unetr_btcv_segmentation, whose img_size MONAI no longer accepts
    {"_target_": "SwinUNETR", **COMMON, "img_size": 64, "feature_size": 12, "use_checkpoint": False},
)
OTHERS = tuple(
    Bundle(
        str(network["_target_"]).lower(),
        network,
        [*LOAD, TURN, spaced(1.5, 1.4, 1.8), RANGE],
        window(*[cast(int, network.get("img_size", 32))] * 3),
        [SOFTMAX, inverted(False), ARGMAX, SAVE],
    )
    for network in OTHER_NETWORKS
)
MOST_MADE = 1_000_000
# Arguments that only former releases of MONAI accept
FORMER = {"SwinUNETR": {"img_size"}}


def configuration(bundle: Bundle) -> dict[str, Any]:
    """Returns the content of inference.json."""
    loader = {
        "_target_": "CheckpointLoader",
        "load_path": "$@bundle_root + '/models/model.pt'",
        "load_dict": {"model": "@network"},
    }
    compose = {"preprocessing": bundle.before, "postprocessing": bundle.after}
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "output_dir": "$@bundle_root + '/eval'",
        "device": DEVICE,
        "datalist": "$list(sorted(glob.glob(@dataset_dir + '/imagesTs/*.nii.gz')))",
        **bundle.values,
        "network_def": bundle.network,
        "network": "$@network_def.to(@device)",
        **{name: {"_target_": "Compose", "transforms": rows} for name, rows in compose.items()},
        "inferer": bundle.inferer,
        "handlers": [loader],
        "run": ["$@evaluator.run()"],
    }


def network_of(bundle: Bundle) -> torch.nn.Module:
    """Returns MONAI's network with synthetic weights."""
    given = {"spatial_dims": 3, "out_channels": len(bundle.names)}
    name = bundle.network["_target_"].rpartition(".")[2]
    left_out = {"_target_", *FORMER.get(name, ())}
    arguments = {key: given.get(key, value) for key, value in bundle.network.items() if key not in left_out}
    torch.manual_seed(0)
    network: torch.nn.Module = getattr(nets, name)(**arguments)
    state = network.state_dict()
    named = {
        name: made_tensor(name, tuple(tensor.shape), 0)
        for name, tensor in state.items()
        if tensor.is_floating_point()
        and "running" not in name
        and tensor.ndim > 1
        # For large tensors torch's own initial weights do as well, and are faster
        and tensor.numel() < MOST_MADE
    }
    network.load_state_dict(named, strict=False)
    return network.eval()


def write_bundle(bundle: Bundle, folder: Path) -> Path:
    """Writes a bundle's folder."""
    (folder / "configs").mkdir(parents=True)
    (folder / "models").mkdir()
    made = json.loads(json.dumps(configuration(bundle)))
    name = "inference.yaml" if bundle.as_yaml else "inference.json"
    (folder / "configs" / name).write_text(yaml.safe_dump(made) if bundle.as_yaml else json.dumps(made))
    channels = {str(number): name for number, name in enumerate(bundle.names)}
    metadata = {
        "version": "0.1.0",
        "monai_version": "1.2.0",
        "name": f"Made {bundle.name}",
        "network_data_format": {
            "inputs": {"image": {"modality": "CT", "num_channels": 1, "channel_def": {"0": "image"}}},
            "outputs": {"pred": {"num_channels": len(channels), bundle.names_key: channels}},
        },
    }
    (folder / "configs" / "metadata.json").write_text(json.dumps(metadata))
    torch.save(network_of(bundle).state_dict(), folder / "models" / "model.pt")
    return folder
