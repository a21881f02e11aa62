"""torch's GPU arithmetic, tested on a CPU: channels-last memory, half precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from operators.networks.architectures.architecture_table import build
from operators.networks.runtimes import CHANNELS_LAST, Device, TorchRuntime
from operators.packages.packages import NetworkSpec
from tests.support.packages.synthetic_bundles import BUNDLES, OTHERS, Bundle, network_of
from tests.support.packages.synthetic_nnunet import CASES, architecture_of, made_state

NNUNETS = [case for case in CASES if case.name in ("plain", "residual_regions", "slices")]
# These two take long
MONAIS = [bundle for bundle in (*BUNDLES, *OTHERS) if bundle.name not in ("vnet", "swinunetr")]


def made(case: Any) -> tuple[torch.nn.Module, tuple[int, ...]]:
    """A network with synthetic weights, and a patch of its size."""
    if isinstance(case, Bundle):
        return network_of(case), tuple(case.inferer["roi_size"])
    name, arguments = architecture_of(case)
    network = build(name, **arguments)
    network.load_state_dict(made_state(name, arguments, 0))
    return network.eval(), case.patch


def runtime(case: Any, network: torch.nn.Module, patch: tuple[int, ...], precision: str) -> TorchRuntime:
    """As `load_network` makes it, on a CPU."""
    spec = NetworkSpec(case.name, "", {}, Path(), "", (1.0,) * len(patch), patch, (0.0, 1.0), ("background",))
    return TorchRuntime(network, spec, Device("torch", 1, precision, "cpu"))


@pytest.mark.parametrize("case", [*NNUNETS, *MONAIS], ids=lambda case: case.name)
def test_features_in_a_gpus_order_and_half_the_digits_leave_the_answer(case: Any) -> None:
    network, sides = made(case)
    patch = np.random.default_rng(3).normal(size=sides).astype(np.float32)
    expected = runtime(case, network, sides, "f32")(patch)
    spread = expected.std()
    half = runtime(case, network, sides, "bf16")
    assert half.precision == "bf16"
    assert half(patch).dtype == np.float32
    half.network = cast(Any, half.network).to(memory_format=getattr(torch, CHANNELS_LAST[len(sides)]))
    # 8 binary digits a layer, and some layers
    assert np.abs(half(patch) - expected).mean() < 0.05 * spread
    turned = runtime(case, half.network, sides, "f32")
    assert np.abs(turned(patch) - expected).max() < 1e-3 * spread
