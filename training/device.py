"""The device of a training, its arithmetic, and its assumed power."""

from __future__ import annotations

import torch

from training.recipe import NetworkRecipe

# Assumed, not measured. A core of a server's processor with its share of memory and power supply: 360 W
# for 96 cores (AMD EPYC 9654), doubled at the wall socket. A GPU: power limit of an H100 or H200 SXM.
WATTS_A_THREAD = 8.0
WATTS_A_GPU = 700.0


def training_device() -> torch.device:
    """Returns the GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def stated_watts(device: str, threads: int) -> float:
    """Returns the assumed power in watts of a training with this many busy threads."""
    return WATTS_A_THREAD * threads + (WATTS_A_GPU if device == "cuda" else 0.0)


def device_name(device: torch.device) -> str:
    """Returns a name of the device for people."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def has_fast_bfloat16(device: torch.device) -> bool:
    """Returns whether bfloat16 is faster than float32 here; processors without it emulate it slowly."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def has_bfloat16(device: torch.device, network: NetworkRecipe) -> bool:
    """Returns whether bfloat16 is faster than float32 on this device, and correct.

    On processors, oneDNN (torch 2.13) leaves parts of the weights' gradient unset where a convolution sees
    only 2 voxels along each axis.
    """
    deepest = min(network.patch) >> len(network.filters)
    return has_fast_bfloat16(device) and (device.type == "cuda" or deepest > 2)
