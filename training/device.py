"""The device that a training runs on, its arithmetic, and the power it is taken to draw."""

from __future__ import annotations

import torch

from training.recipe import NetworkRecipe

# Stated, not measured. A core of a server's processor with its share of memory and supply: 360 W
# for 96 cores (AMD EPYC 9654), twice that at the socket. A GPU: the limit of an H100 or H200 SXM.
WATTS_A_THREAD = 8.0
WATTS_A_GPU = 700.0


def training_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def stated_watts(device: str, threads: int) -> float:
    """Returns the watts that a training with so many busy threads is taken to draw."""
    return WATTS_A_THREAD * threads + (WATTS_A_GPU if device == "cuda" else 0.0)


def device_name(device: torch.device) -> str:
    """The device in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def has_bfloat16(device: torch.device, network: NetworkRecipe) -> bool:
    """Whether bfloat16 is quicker than float32 here, and right.

    Processors without it emulate it, slowly. On those with it, oneDNN (torch 2.13) leaves parts of
    the weights' gradient unset where a convolution sees only 2 voxels along each axis.
    """
    deepest = min(network.patch) >> len(network.filters)
    return device.type == "cuda" or (torch.cpu._is_avx512_bf16_supported() and deepest > 2)
