"""Translates nnU-Net v2's architectures and tensors to those of `unets.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch

from operators.errors import ModelError
from operators.importing.published import State, unsupported

# By class: Osteon's name, and the key under which its plans give the blocks of a stage
NETWORKS = {
    "PlainConvUNet": ("nnunet_plain", "n_conv_per_stage"),
    "ResidualEncoderUNet": ("nnunet_residual", "n_blocks_per_stage"),
}
NORMS = {
    "InstanceNorm2d": "instance",
    "InstanceNorm3d": "instance",
    "BatchNorm2d": "batch",
    "BatchNorm3d": "batch",
}
ACTIVATIONS = {"LeakyReLU": "leaky_relu", "ReLU": "relu"}
# Arguments without effect at inference
IGNORED = {"n_stages", "dropout_op", "dropout_op_kwargs"}
READ = {
    "features_per_stage",
    "conv_op",
    "kernel_sizes",
    "strides",
    "n_conv_per_stage",
    "n_blocks_per_stage",
    "n_conv_per_stage_decoder",
    "conv_bias",
    "norm_op",
    "norm_op_kwargs",
    "nonlin",
    "nonlin_kwargs",
}


def network_of(configuration: dict[str, Any]) -> tuple[str, dict[str, object]]:
    """Returns the architecture and arguments of a configuration. Raises ModelError for an unknown one."""
    class_name, given, dimensions = class_of(configuration)
    if class_name not in NETWORKS:
        unsupported(
            f"expected an architecture of {', '.join(NETWORKS)}, got {class_name}", "architecture_unknown"
        )
    strange = [key for key, value in given.items() if key not in READ | IGNORED and value]
    if strange:
        unsupported(
            f"{class_name}: expected supported arguments, got {', '.join(strange)}", "architecture_unknown"
        )
    architecture, blocks = NETWORKS[class_name]
    stages = len(given["features_per_stage"])
    return architecture, {
        "dimensions": dimensions,
        "features": [int(count) for count in given["features_per_stage"]],
        "kernels": sides(given["kernel_sizes"], stages, dimensions),
        "strides": sides(given["strides"], stages, dimensions),
        "blocks": counts(given[blocks], stages),
        "decoder_blocks": counts(given["n_conv_per_stage_decoder"], stages - 1),
        "bias": bool(given.get("conv_bias", False)),
        "upsampling_bias": bool(given.get("conv_bias", False)),
        **norm_of(given),
        **activation_of(given),
    }


def class_of(configuration: dict[str, Any]) -> tuple[str, dict[str, Any], int]:
    """Returns the class name, its arguments, and 2 or 3 dimensions; plans before 2.4 use other keys."""
    dimensions = len(configuration["patch_size"])
    if "architecture" in configuration:
        made = configuration["architecture"]
        return last_word(made["network_class_name"]), made["arch_kwargs"], dimensions
    name = configuration["UNet_class_name"]
    encoder = configuration["n_conv_per_stage_encoder"]
    base, most = configuration["UNet_base_num_features"], configuration["unet_max_num_features"]
    arguments = {
        "features_per_stage": [min(base * 2**stage, most) for stage in range(len(encoder))],
        "kernel_sizes": configuration["conv_kernel_sizes"],
        "strides": configuration["pool_op_kernel_sizes"],
        NETWORKS.get(name, ("", "n_conv_per_stage"))[1]: encoder,
        "n_conv_per_stage_decoder": configuration["n_conv_per_stage_decoder"],
        "conv_bias": True,
        "norm_op": f"InstanceNorm{dimensions}d",
        "norm_op_kwargs": {"eps": 1e-5, "affine": True},
        "nonlin": "LeakyReLU",
    }
    return name, arguments, dimensions


def last_word(path: str | None) -> str:
    """Returns the class of a dotted path."""
    return str(path).rpartition(".")[2]


def sides(given: Any, stages: int, dimensions: int) -> list[list[int]]:
    """Returns one list of sides for each stage, in whichever short form they were given."""
    each = [given] * stages if isinstance(given, int) else given
    return [[int(one)] * dimensions if isinstance(one, int) else [int(s) for s in one] for one in each]


def counts(given: Any, stages: int) -> list[int]:
    """Returns one number for each stage."""
    return [given] * stages if isinstance(given, int) else [int(count) for count in given]


def norm_of(given: dict[str, Any]) -> dict[str, object]:
    """Returns the arguments of normalisation layers, by default torch's. Raises ModelError."""
    name = last_word(given.get("norm_op"))
    if name not in NORMS:
        unsupported(f"expected a norm of {', '.join(NORMS)}, got {name}", "architecture_unknown")
    said = given.get("norm_op_kwargs") or {}
    affine = bool(said.get("affine", NORMS[name] == "batch"))
    return {"norm": NORMS[name], "norm_eps": float(said.get("eps", 1e-5)), "norm_affine": affine}


def activation_of(given: dict[str, Any]) -> dict[str, object]:
    """Returns the arguments of the nonlinearity. Raises ModelError."""
    name = last_word(given.get("nonlin"))
    if name not in ACTIVATIONS:
        known = ", ".join(ACTIVATIONS)
        unsupported(f"expected a nonlinearity of {known}, got {name}", "architecture_unknown")
    said = given.get("nonlin_kwargs") or {}
    return {"activation": ACTIVATIONS[name], "slope": float(said.get("negative_slope", 0.01))}


def tensors_of(weights: Mapping[str, torch.Tensor]) -> State:
    """Returns the tensors used for inference, each under one name.

    The original repeats the encoder's tensors inside the decoder, and every layer in `all_modules`; its
    outputs at lower resolutions serve training only.
    """
    named = {name.removeprefix("module.").removeprefix("_orig_mod."): t for name, t in weights.items()}
    heads = [int(found[1]) for name in named if (found := re.match(r"decoder\.seg_layers\.(\d+)\.", name))]
    if not heads:
        raise ModelError("expected tensors of a U-Net of nnU-Net v2, got others", code="weights_do_not_fit")
    head = f"decoder.seg_layers.{max(heads)}."
    kept = {name.replace(head, "decoder.head."): tensor for name, tensor in named.items()}
    dropped = re.compile(r"decoder\.encoder\.|decoder\.seg_layers\.|.*\.all_modules\.")
    return {name: tensor for name, tensor in kept.items() if not dropped.match(name)}
