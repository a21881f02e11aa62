"""Measures how long networks of several sizes take for a patch on one thread of this CPU."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from operators.networks.architectures.architecture_table import build
from operators.networks.runtimes import RUNTIMES, Device
from research.comparison.scoring import network_spec
from research.comparison.variants import FILTERS
from training.recipe import NetworkRecipe

FACTORS = (0.5, 1.0, 1.5, 2.0, 3.0)
REPEATS = 7


def size_rows(network: NetworkRecipe) -> Iterator[str]:
    """Yields rows of filters, parameters and the best seconds of several runs, with the runtimes in turns."""
    yield "| filters | parameters, millions | OpenVINO bf16, s | torch bf16, s |\n| --- | --- | --- | --- |"
    for factor in FACTORS:
        sized = network.model_copy(update={"filters": tuple(round(factor * n) for n in FILTERS)})
        model = build(
            sized.architecture, dimensions=len(sized.patch), outputs=len(sized.classes), filters=sized.filters
        ).eval()
        millions = sum(weights.numel() for weights in model.parameters()) / 1e6
        spec, device = network_spec(sized), Device(threads=1, precision="bf16")
        runtimes = [RUNTIMES[name](model, spec, device) for name in ("openvino", "torch")]
        patch = np.random.default_rng(0).random(sized.patch, np.float32)
        taken: list[list[float]] = [[], []]
        for _ in range(REPEATS):
            for runtime, seconds in zip(runtimes, taken, strict=True):
                began = time.perf_counter()
                runtime(patch)
                seconds.append(time.perf_counter() - began)
        fast, slow = min(taken[0]), min(taken[1])
        yield f"| {', '.join(map(str, sized.filters))} | {millions:.1f} | {fast:.3f} | {slow:.3f} |"
