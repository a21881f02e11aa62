"""Says whether there is a GPU, without torch if there can be none."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

# What torch's `is_available` needs: NVIDIA's driver, or that of AMD for torch's builds for it
CUDA_DRIVER, AMD_DRIVER = "libcuda.so.1", Path("/dev/kfd")


def has_gpu() -> bool:
    """Returns whether torch can use a GPU; torch is not imported where there is no driver of one."""
    if "torch" not in sys.modules and not (has_library(CUDA_DRIVER) or AMD_DRIVER.exists()):
        return False
    import torch

    return torch.cuda.is_available()


def has_library(name: str) -> bool:
    """Returns whether the dynamic linker finds a library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True
