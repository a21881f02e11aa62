"""Measures the speed of networks on this machine, and of its matrix multiplication for comparison."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from operators.networks.architectures.architecture_table import build
from operators.networks.runtimes import Device, Runtime
from operators.packages.packages import NetworkSpec

Clock = Callable[[], float]
# The first run allocates memory and chooses kernels; the fastest of the others is the machine's speed
RUNS = 10
# A matrix of this side keeps all cores busy for long enough to be measured, 137 GFLOP
SIDE = 4096
TYPES = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def patch_gflop(spec: NetworkSpec) -> float:
    """Returns the additions and multiplications of convolutions for one patch, in 1e9."""
    with torch.device("meta"), FlopCounterMode(display=False) as counted, torch.no_grad():
        build(spec.architecture, **spec.arguments).eval()(torch.empty(1, spec.inputs, *spec.patch))
    return float(counted.get_total_flops() / 1e9)


def patch_seconds(run: Runtime, spec: NetworkSpec, clock: Clock) -> float:
    """Returns the seconds that a network takes for one patch."""
    patch = np.random.default_rng(0).normal(size=(spec.inputs, *spec.patch)).astype(np.float32)
    return fastest(lambda: run(patch), clock)


def matrix_gflop_s(precision: str, device: Device, clock: Clock) -> float:
    """Returns the additions and multiplications a second, in 1e9, of a product of two square matrices."""
    where = "cuda" if device.is_cuda else "cpu"
    one = torch.rand(SIDE, SIDE, dtype=TYPES.get(precision, torch.float32), device=where)
    # Reading one number waits for the whole product
    return 2 * SIDE**3 / 1e9 / fastest(lambda: (one @ one)[0, 0].item(), clock)


def fastest(work: Callable[[], object], clock: Clock) -> float:
    """Returns the seconds of the fastest run, without the first."""
    taken = []
    for _ in range(RUNS + 1):
        began = clock()
        work()
        taken.append(clock() - began)
    return min(taken[1:])
