"""The counts and timings of `osteon models bench`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.networks.runtimes import Device
from operators.networks.speed import RUNS, matrix_gflop_s, patch_gflop, patch_seconds
from tests.support.packages.synthetic_packages import made_package

SPEC = made_package().fracture


class Ticking:
    """A clock whose runs take the given seconds, one after the other."""

    def __init__(self, *runs_s: float) -> None:
        self.ticks = iter(tick for run_s in runs_s for tick in (0.0, run_s))

    def __call__(self) -> float:
        return next(self.ticks)


class Counting:
    """A network that counts its runs."""

    name, precision = "counting", "f32"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, patch: NDArray[np.float32]) -> NDArray[np.float32]:
        self.shapes.append(patch.shape)
        return patch

    def outputs(self, patch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        return (self(patch),)

    def rest(self) -> None:
        pass


def test_twice_the_patch_is_twice_the_work() -> None:
    i, j, k = SPEC.patch
    once = patch_gflop(SPEC)
    assert once > 0
    assert patch_gflop(replace(SPEC, patch=(2 * i, j, k))) == pytest.approx(2 * once)


def test_the_first_run_does_not_count_and_the_fastest_of_the_others_does() -> None:
    run = Counting()
    others_s = (3.0, 2.0, *[4.0] * (RUNS - 2))
    assert patch_seconds(run, SPEC, Ticking(0.5, *others_s)) == 2.0
    assert run.shapes == [(1, *SPEC.patch)] * (1 + RUNS)


def test_a_matrix_product_counts_additions_and_multiplications(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.networks.speed.SIDE", 100)
    clock = Ticking(9.0, *[0.5] * RUNS)
    assert matrix_gflop_s("bf16", Device(where="cpu"), clock) == pytest.approx(2 * 100**3 / 1e9 / 0.5)
