"""Tiles of published networks: the fast mode runs fewer voxels, and none where there is no body."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.networks.windows.layout import tile_slices
from operators.networks.windows.nnunet_window import answers
from operators.networks.windows.tilings import TILINGS, exact_tiling, fast_tiling, voxels_run
from operators.nnunet.channels import Channels
from operators.packages.packages import NetworkSpec, Normalisation
from operators.packages.plans import NnUNetPlans, Resampling, Stage

Array = NDArray[np.float32]
ARGUMENTS: dict[str, object] = {"strides": ((1, 1, 1), (2, 2, 2), (1, 2, 2))}
SPEC = NetworkSpec(
    "fold_0",
    "nnunet_plain",
    ARGUMENTS,
    Path("w"),
    "0",
    (1.0, 1.0, 1.0),
    (16, 16, 24),
    (-350.0, 900.0),
    ("background", "bone"),
    normalisation=Normalisation("ct", 100.0, 200.0),
    precision="f32",
)
RECIPE = NnUNetPlans("LPS", (0, 1, 2), Resampling(3), Resampling(1), mirror_axes=(0, 2))
STAGE = Stage((SPEC,), RECIPE)
AIR, BONE = (-350 - 100) / 200, 2.0
SHAPES = st.tuples(*[st.integers(1, 70)] * 3)


class Echo:
    """A network whose second output is its image, and whose first is nothing; remembers what it saw."""

    name, precision = "echo", "f32"

    def __init__(self) -> None:
        self.seen: list[Array] = []

    def __call__(self, patch: Array) -> Array:
        self.seen.append(patch.copy())
        return np.stack([np.zeros_like(patch[0]), patch[0]])

    def outputs(self, patch: Array) -> tuple[Array, ...]:
        return (self(patch),)

    def rest(self) -> None:
        pass


def bodied(shape: tuple[int, ...], seed: int) -> Channels:
    """Air, and a box of something in it."""
    rng = np.random.default_rng(seed)
    image = np.full(shape, AIR, np.float32)
    lows = [rng.integers(0, n) for n in shape]
    box = tuple(slice(low, rng.integers(low, n) + 1) for low, n in zip(lows, shape, strict=True))
    image[box] = rng.uniform(1, BONE, image[box].shape)
    return Channels(image)


@settings(max_examples=30)
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_fast_tiles_reach_all_of_the_body_with_fewer_voxels_and_no_more_memory(
    shape: tuple[int, ...], seed: int
) -> None:
    channels = bodied(shape, seed)
    tiling = fast_tiling(channels, STAGE)
    reached = np.zeros([max(n, 2 * 24) + 2 * 24 for n in channels.image[tiling.box].shape], bool)
    for corner in tiling.corners:
        reached[tile_slices(corner, tiling.patch)] = True
    inside = channels.image[tiling.box] > AIR
    assert reached[tuple(slice(0, n) for n in inside.shape)][inside].all()
    assert inside.sum() == (channels.image > AIR).sum()
    assert all(side % stride == 0 for side, stride in zip(tiling.patch, (2, 4, 4), strict=True))
    assert prod(tiling.patch) <= prod(SPEC.patch)
    assert voxels_run(inside.shape, tiling.patch) <= voxels_run(inside.shape, SPEC.patch)


def test_tiles_without_body_are_not_run_and_are_background() -> None:
    image = np.full((60, 16, 80), AIR, np.float32)
    image[5, 5, 4] = image[50, 9, 76] = BONE
    run = Echo()
    tiling = fast_tiling(Channels(image), STAGE)
    found = np.concatenate([np.asarray(rows) for rows in said(run, Channels(image), tiling.mode)], axis=1)
    assert len(run.seen) == len(tiling.corners) < len(tiling.rows) * 4
    assert found.shape == (2, 60, 16, 80)
    labels = found.argmax(axis=0)
    np.testing.assert_array_equal(np.argwhere(labels), [(5, 5, 4), (50, 9, 76)])


def test_where_intensities_do_not_tell_air_the_whole_image_is_run() -> None:
    plain = replace(SPEC, normalisation=Normalisation("z_score"))
    tiling = fast_tiling(bodied((40, 40, 40), 1), replace(STAGE, folds=(plain,)))
    assert tiling.box == (slice(0, 40),) * 3


def test_a_network_of_unknown_strides_keeps_its_patch() -> None:
    other = replace(SPEC, architecture="plain_unet", arguments={"filters": (4, 8)})
    assert fast_tiling(bodied((60, 60, 60), 1), replace(STAGE, folds=(other,))).patch == SPEC.patch


def test_the_exact_mode_mirrors_and_keeps_the_arithmetic_and_the_fast_mode_does_not() -> None:
    channels = bodied((40, 40, 40), 2)
    exact, fast = exact_tiling(channels, STAGE), fast_tiling(channels, STAGE)
    assert (exact.patch, exact.mirror_axes, exact.spec(SPEC)) == (SPEC.patch, (0, 2), SPEC)
    assert (fast.mirror_axes, fast.spec(SPEC).precision) == ((), "")
    assert fast.spec(SPEC).patch == fast.patch


def said(run: Echo, channels: Channels, mode: str) -> list[torch.Tensor]:
    return list(answers([run], channels, STAGE, TILINGS[mode](channels, STAGE), lambda _: None))


@pytest.mark.parametrize("mode", ["exact", "fast"])
@pytest.mark.parametrize("shape", [(40, 33, 17), (16, 16, 24), (5, 40, 9), (50, 17, 60), (1, 1, 1)])
def test_a_network_that_echoes_gives_the_image_back_row_by_row(mode: str, shape: tuple[int, ...]) -> None:
    image = np.random.default_rng(3).uniform(1, BONE, shape).astype(np.float32)
    found = np.concatenate([np.asarray(rows) for rows in said(Echo(), Channels(image), mode)], axis=1)
    assert found.shape == (2, *shape)
    # In a tile's corners half precision has few digits left for the original's weights
    assert np.isclose(found[1], image, rtol=4e-3).mean() > {"exact": 0.94, "fast": 0.999}[mode]
    np.testing.assert_array_equal(found[0], 0)


@pytest.mark.parametrize("mode", ["exact", "fast"])
def test_folds_are_averaged(mode: str) -> None:
    class Louder(Echo):
        def __call__(self, patch: Array) -> Array:
            return 3 * super().__call__(patch)

    channels = Channels(np.random.default_rng(4).uniform(1, BONE, (40, 20, 30)).astype(np.float32))
    stage = replace(STAGE, folds=(SPEC, SPEC))
    done: list[float] = []
    rows = answers([Echo(), Louder()], channels, stage, TILINGS[mode](channels, stage), done.append)
    found = np.concatenate([np.asarray(part) for part in rows], axis=1)
    assert np.isclose(found[1], 2 * channels.image, rtol=4e-3).mean() > 0.94
    assert done == sorted(done)
    assert done[-1] == 1


def test_rows_are_given_away_before_the_last_tile_is_run() -> None:
    run = Echo()
    channels = Channels(np.full((80, 16, 24), BONE, np.float32))
    rows = answers([run], channels, STAGE, TILINGS["exact"](channels, STAGE), lambda _: None)
    first = next(rows)
    assert 0 < first.shape[1] <= 16
    assert len(run.seen) == 4
    assert sum(part.shape[1] for part in (first, *rows)) == 80
    assert len(run.seen) == 9 * 4


@pytest.mark.parametrize("corner", list(product((0, 1), repeat=3)))
def test_a_guide_is_cut_with_the_image(corner: tuple[int, ...]) -> None:
    image = np.full((20, 20, 30), AIR, np.float32)
    here = tuple(slice(2, 18) if side else slice(0, 9) for side in corner)
    image[here] = BONE
    labels = (image > AIR).astype(np.uint8)
    run = Echo()
    said(run, Channels(image, labels, (1,)), "fast")
    assert all(patch.shape[0] == 2 for patch in run.seen)
    assert all(np.array_equal(patch[1], patch[0] == BONE) for patch in run.seen)


@pytest.mark.parametrize("mode", sorted(TILINGS))
@settings(max_examples=30)
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_no_tile_is_run_twice(mode: str, shape: tuple[int, ...], seed: int) -> None:
    flat = replace(SPEC, arguments={"strides": ((1, 1), (2, 2))}, spacing_mm=(1.0, 1.0), patch=(16, 24))
    for spec in (SPEC, flat):
        tiling = TILINGS[mode](bodied(shape, seed), replace(STAGE, folds=(spec,)))
        assert len(set(tiling.corners)) == len(tiling.corners)
        assert len(set(tiling.rows)) == len(tiling.rows)


def test_a_network_of_slices_runs_each_of_them_once() -> None:
    flat = replace(SPEC, spacing_mm=(1.0, 1.0), patch=(16, 24))
    tiling = exact_tiling(Channels(np.zeros((9, 16, 24), np.float32)), replace(STAGE, folds=(flat,)))
    assert tiling.corners == tuple((number, 0, 0) for number in range(9))
