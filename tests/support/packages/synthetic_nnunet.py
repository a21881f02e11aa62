"""Small, reproducible model folders with synthetic weights, as nnU-Net itself would write them.

nnU-Net is not needed. `make references` runs the originals on these folders and stores their results.
"""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from operators.networks.architectures.architecture_table import build

MEASURES = {"mean": 120.0, "std": 210.0, "percentile_00_5": -350.0, "percentile_99_5": 900.0}
DATASET = "Dataset901_Made"


@dataclass(frozen=True)
class Case:
    """One published model; `spacing_mm` of the image is in (z, y, x).

    `before` is the previous stage of a cascade, named like its configuration and its folder.
    """

    name: str
    network: str = "PlainConvUNet"
    features: tuple[int, ...] = (4, 8, 12)
    kernels: tuple[tuple[int, ...], ...] = ((3, 3, 3),) * 3
    strides: tuple[tuple[int, ...], ...] = ((1, 1, 1), (2, 2, 2), (2, 2, 2))
    blocks: tuple[int, ...] = (2, 2, 2)
    decoder_blocks: tuple[int, ...] = (2, 2)
    spacing: tuple[float, ...] = (1.5, 1.4, 1.3)
    patch: tuple[int, ...] = (16, 16, 16)
    scheme: str = "CTNormalization"
    masked: bool = False
    transpose: tuple[int, ...] = (0, 1, 2)
    mirrored: tuple[int, ...] | None = (0, 1, 2)
    folds: int = 1
    labels: dict[str, Any] = field(default_factory=lambda: {"background": 0, "sacrum": 1, "hip_left": 2})
    regions: tuple[int, ...] = ()
    old_plans: bool = False
    spacing_mm: tuple[float, ...] = (2.0, 1.1, 1.0)
    before: Case | None = None

    @property
    def inputs(self) -> int:
        """Number of input channels: the image and the labels of the previous stage."""
        return 1 if self.before is None else len(self.labels)

    @property
    def dimensions(self) -> int:
        """Number of spatial dimensions, 2 or 3."""
        return len(self.patch)

    @property
    def outputs(self) -> int:
        """Number of output channels."""
        return len(self.regions) or len(self.labels)


CASES = (
    Case("plain"),
    Case("thick_slices", spacing_mm=(5.0, 1.1, 1.0), folds=2, mirrored=(1,)),
    Case(
        "anisotropic_kernels",
        kernels=((1, 3, 3), (3, 3, 3), (3, 3, 3)),
        mirrored=None,
        strides=((1, 1, 1), (1, 2, 2), (2, 2, 2)),
        spacing=(4.6, 1.2, 1.3),
        patch=(8, 24, 16),
        spacing_mm=(5.0, 1.1, 1.0),
    ),
    Case(
        "residual_regions",
        "ResidualEncoderUNet",
        blocks=(1, 2, 2),
        decoder_blocks=(1, 1),
        scheme="ZScoreNormalization",
        masked=True,
        mirrored=(0, 2),
        regions=(1, 2),
        labels={"background": 0, "whole": [1, 2], "core": [2]},
    ),
    Case(
        "slices",
        kernels=((3, 3),) * 3,
        strides=((1, 1), (2, 2), (2, 2)),
        spacing=(1.4, 1.3),
        patch=(16, 24),
        mirrored=(0, 1),
    ),
    Case("turned_old_plans", transpose=(2, 0, 1), old_plans=True, mirrored=None, scheme="NoNormalization"),
    Case(
        "cascade",
        folds=2,
        mirrored=(0, 1),
        before=Case("cascade_low", spacing=(2.9, 2.4, 2.2), folds=2, mirrored=(2,)),
    ),
    Case(
        "cascade_thick_regions",
        scheme="ZScoreNormalization",
        masked=True,
        regions=(1, 2),
        mirrored=None,
        labels={"background": 0, "whole": [1, 2], "core": [2]},
        spacing_mm=(5.0, 1.1, 1.0),
        transpose=(1, 0, 2),
        spacing=(1.2, 3.0, 1.3),
        before=Case(
            "cascade_thick_low",
            spacing=(1.9, 5.5, 1.8),
            mirrored=(0,),
            regions=(1, 2),
            transpose=(1, 0, 2),
            labels={"background": 0, "whole": [1, 2], "core": [2]},
            spacing_mm=(5.0, 1.1, 1.0),
        ),
    ),
)


def made_image() -> NDArray[np.float32]:
    """Returns a smooth image (z, y, x) in HU with an empty rim."""
    rng = np.random.default_rng(4)
    coarse = rng.normal(150, 400, (5, 6, 6))
    image = np.kron(coarse, np.ones((4, 4, 5))) + rng.normal(0, 30, (20, 24, 30))
    hu = np.rint(image).astype(np.float32)
    hu[:2], hu[:, -3:], hu[:, :, :1] = 0, 0, 0
    return hu


def architecture_of(case: Case) -> tuple[str, dict[str, Any]]:
    """Returns Osteon's architecture and arguments of a case's network."""
    name = {"PlainConvUNet": "nnunet_plain", "ResidualEncoderUNet": "nnunet_residual"}[case.network]
    return name, {
        "dimensions": case.dimensions,
        "inputs": case.inputs,
        "outputs": case.outputs,
        "features": case.features,
        "kernels": case.kernels,
        "strides": case.strides,
        "blocks": case.blocks,
        "decoder_blocks": case.decoder_blocks,
    }


def made_tensor(name: str, shape: tuple[int, ...], seed: int) -> torch.Tensor:
    """Returns values that depend on name, shape and seed only, so that every library gets the same."""
    rng = np.random.default_rng((zlib.crc32(name.encode()), seed))
    values = rng.normal(size=shape)
    if "head" in name:
        # Features are mostly positive: centred weights keep one class from winning everywhere
        values = (values - values.mean(axis=1, keepdims=True)) * 2 if len(shape) > 1 else values * 0
    elif len(shape) > 1:
        values *= np.sqrt(2 / np.prod(shape[1:]))
    elif "norm." in name:
        values = ("weight" in name) + 0.05 * values
    return torch.from_numpy(values.astype(np.float32))


def made_state(architecture: str, arguments: dict[str, Any], seed: int) -> dict[str, torch.Tensor]:
    """Returns the weights of one fold under Osteon's names."""
    state = build(architecture, **arguments).state_dict()
    return {name: made_tensor(name, tuple(tensor.shape), seed) for name, tensor in state.items()}


def v2_names(case: Case, state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Returns the weights under the names of dynamic-network-architectures, including duplicates."""
    last = len(case.features) - 2
    named = OrderedDict((name.replace(".head.", f".seg_layers.{last}."), t) for name, t in state.items())
    for stage in range(last):
        width = case.features[last - stage]
        named[f"decoder.seg_layers.{stage}.weight"] = torch.zeros(case.outputs, width, *[1] * case.dimensions)
        named[f"decoder.seg_layers.{stage}.bias"] = torch.zeros(case.outputs)
    for name, tensor in list(named.items()):
        for part, number in (("conv", 0), ("norm", 1)):
            if f".{part}." in name:
                named[name.replace(f".{part}.", f".all_modules.{number}.")] = tensor
    encoder = {name: tensor for name, tensor in named.items() if name.startswith("encoder.")}
    return named | {f"decoder.{name}": tensor for name, tensor in encoder.items()}


def configuration_of(case: Case) -> dict[str, Any]:
    """Returns an entry of `configurations` in plans.json."""
    resampling = {"is_seg": False, "order": 3, "order_z": 0, "force_separate_z": None}
    function = "resample_data_or_seg_to_shape"
    after = {"previous_stage": case.before.name} if case.before else {}
    return {
        **after,
        "data_identifier": "made",
        "preprocessor_name": "DefaultPreprocessor",
        "batch_size": 2,
        "patch_size": case.patch,
        "spacing": case.spacing,
        "normalization_schemes": [case.scheme],
        "use_mask_for_norm": [case.masked],
        "resampling_fn_data": function,
        "resampling_fn_data_kwargs": resampling,
        "resampling_fn_seg": function,
        "resampling_fn_seg_kwargs": {**resampling, "is_seg": True, "order": 1},
        "resampling_fn_probabilities": function,
        "resampling_fn_probabilities_kwargs": {**resampling, "order": 1},
        **(old_architecture(case) if case.old_plans else new_architecture(case)),
    }


def new_architecture(case: Case) -> dict[str, Any]:
    """Returns the architecture as in plans since nnU-Net 2.4."""
    d = case.dimensions
    blocks = "n_conv_per_stage" if case.network == "PlainConvUNet" else "n_blocks_per_stage"
    arguments = {
        "n_stages": len(case.features),
        "features_per_stage": case.features,
        "conv_op": f"torch.nn.modules.conv.Conv{d}d",
        "kernel_sizes": case.kernels,
        "strides": case.strides,
        blocks: case.blocks,
        "n_conv_per_stage_decoder": case.decoder_blocks,
        "conv_bias": True,
        "norm_op": f"torch.nn.modules.instancenorm.InstanceNorm{d}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "dropout_op": None,
        "dropout_op_kwargs": None,
        "nonlin": "torch.nn.LeakyReLU",
        "nonlin_kwargs": {"inplace": True},
    }
    return {
        "architecture": {
            "network_class_name": f"dynamic_network_architectures.architectures.unet.{case.network}",
            "arch_kwargs": arguments,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        }
    }


def old_architecture(case: Case) -> dict[str, Any]:
    """Returns the architecture as in plans before nnU-Net 2.4, common in published models."""
    return {
        "UNet_class_name": case.network,
        "UNet_base_num_features": case.features[0],
        "unet_max_num_features": case.features[-1],
        "n_conv_per_stage_encoder": case.blocks,
        "n_conv_per_stage_decoder": case.decoder_blocks,
        "num_pool_per_axis": [2] * case.dimensions,
        "pool_op_kernel_sizes": case.strides,
        "conv_kernel_sizes": case.kernels,
    }


def plans_of(case: Case) -> dict[str, Any]:
    """Returns plans.json; the configuration inherits one value, like those of 3d_lowres."""
    made = configuration_of(case)
    parent = {"batch_size": made.pop("batch_size")}
    return {
        "dataset_name": DATASET,
        "plans_name": "nnUNetPlans",
        "image_reader_writer": "SimpleITKIO",
        "transpose_forward": case.transpose,
        "transpose_backward": np.argsort(case.transpose).tolist(),
        "experiment_planner_used": "ExperimentPlanner",
        "label_manager": "LabelManager",
        "foreground_intensity_properties_per_channel": {"0": MEASURES},
        "configurations": {"parent": parent, "made": {"inherits_from": "parent", **made}},
    }


def dataset_of(case: Case) -> dict[str, Any]:
    """Returns dataset.json."""
    order = {"regions_class_order": case.regions} if case.regions else {}
    return {
        "labels": case.labels,
        "channel_names": {"0": "CT"},
        "file_ending": ".nii.gz",
        "numTraining": 1,
        **order,
    }


def write_v2(case: Case, folder: Path) -> Path:
    """Writes a trainer's folder of nnU-Net v2, and beside it that of the previous stage."""
    folder.mkdir(parents=True)
    if case.before:
        write_v2(case.before, folder.with_name(case.before.name))
    (folder / "plans.json").write_text(json.dumps(plans_of(case)))
    (folder / "dataset.json").write_text(json.dumps(dataset_of(case)))
    for fold in range(case.folds):
        (folder / f"fold_{fold}").mkdir()
        state = v2_names(case, made_state(*architecture_of(case), fold))
        # Keys and types of nnUNetTrainer.save_checkpoint
        content = {
            "network_weights": state,
            "optimizer_state": {"state": {}, "param_groups": []},
            "grad_scaler_state": None,
            "_best_ema": np.float64(0.5),
            "current_epoch": 1,
            "logging": {"mean_fg_dice": [np.float64(0.5)], "lrs": [np.float32(0.1)]},
            "init_args": {"configuration": "made", "fold": fold, "device": torch.device("cpu")},
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": case.mirrored,
        }
        torch.save(content, folder / f"fold_{fold}" / "checkpoint_final.pth")
    return folder
