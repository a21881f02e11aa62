"""A network over a volume, tile by tile."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from operators.geometry.volume import Box
from operators.networks.windows.sliding_window import Window, predict, predict_blocks, tile_starts
from operators.packages.packages import NetworkSpec
from tests.support.packages.synthetic_packages import made_package

Array = NDArray[np.float32]
SPEC = replace(made_package().fracture, window_hu=(-200.0, 800.0))
SHAPES = [(40, 33, 17), (16, 16, 16), (5, 40, 9), (3, 4, 5), (17, 16, 50), (1, 1, 1)]


def echo(patch: Array) -> Array:
    """Logits whose softmax gives the patch itself as the last class."""
    share = np.clip(patch, 1e-3, 1 - 1e-3)
    return np.stack([np.log((1 - share) / 2), np.log((1 - share) / 2), np.log(share)])


def volume(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).uniform(-150, 750, shape).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_network_that_echoes_gives_the_input_back_everywhere(shape: tuple[int, ...]) -> None:
    hu = volume(shape)
    found = predict(echo, hu, SPEC, Window())
    assert found.shape == (3, *shape)
    np.testing.assert_allclose(found[2], (hu + 200) / 1000, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_constant_network_gives_the_same_everywhere(shape: tuple[int, ...]) -> None:
    logits = np.log(np.array([0.2, 0.5, 0.3], np.float32))[:, None, None, None]
    found = predict(lambda patch: logits + np.zeros_like(patch), volume(shape), SPEC, Window())
    for share, expected in zip(found, (0.2, 0.5, 0.3), strict=True):
        np.testing.assert_allclose(share, expected, atol=1e-5)


@settings(max_examples=20)
@given(shape=st.tuples(*[st.integers(1, 45)] * 3), overlap=st.floats(0, 0.7), seed=st.integers(0, 99))
def test_probabilities_add_up_to_one(shape: tuple[int, int, int], overlap: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wanted = rng.random(shape) < 0.001

    def noise(patch: Array) -> Array:
        return rng.normal(0, 5, (3, *patch.shape)).astype(np.float32)

    found = predict(noise, volume(shape), SPEC, Window(overlap), wanted)
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)


def test_only_the_classes_to_keep_are_kept() -> None:
    hu, wanted = volume((40, 17, 16)), np.zeros((40, 17, 16), bool)
    wanted[2, 3, 3] = True
    whole = predict(echo, hu, SPEC, Window(), wanted)
    names = (SPEC.classes[2], SPEC.classes[0])
    np.testing.assert_array_equal(predict(echo, hu, SPEC, Window(), wanted, keep=names), whole[[2, 0]])


def test_values_beyond_the_window_are_clipped_and_padding_is_its_lower_end() -> None:
    seen: list[Array] = []

    def record(patch: Array) -> Array:
        seen.append(patch.copy())
        return echo(patch)

    hu = np.full((4, 4, 4), 3000, np.float32)
    hu[0] = -3000
    predict(record, hu, SPEC, Window())
    assert len(seen) == 1
    assert seen[0].shape == SPEC.patch
    assert seen[0].dtype == np.float32
    assert seen[0].sum() == 3 * 4 * 4
    assert seen[0].max() == 1


def test_unwanted_tiles_are_not_run_and_hold_background() -> None:
    runs: list[float] = []

    def count(patch: Array) -> Array:
        runs.append(1)
        return echo(np.ones_like(patch))

    hu = volume((64, 16, 16))
    wanted = np.zeros(hu.shape, bool)
    wanted[2, 3, 3] = True
    done: list[float] = []
    found = predict(count, hu, SPEC, Window(0.0), wanted, done.append)
    assert len(runs) == 1
    assert done == [1.0]
    assert np.all(found[0, 16:] == 1)
    assert not found[1:, 16:].any()
    assert np.all(found[2, :16] > 0.9)


@settings(max_examples=20)
@given(
    shape=st.tuples(*[st.integers(1, 60)] * 3),
    axis=st.integers(0, 2),
    overlap=st.floats(0, 0.7),
    seed=st.integers(0, 99),
)
def test_blocks_along_an_axis_hold_what_the_whole_holds(
    shape: tuple[int, int, int], axis: int, overlap: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    wanted, guide = rng.random(shape) < 0.001, rng.integers(0, 255, (1, *shape), np.uint8)
    spec, hu = replace(SPEC, guide=("interior",)), volume(shape, seed)

    def mix(patch: Array) -> Array:
        return echo(patch.mean(axis=0))

    def block_of(box: Box) -> NDArray[np.uint8]:
        return guide[(slice(None), *box)]

    whole = predict(mix, hu, spec, Window(overlap), wanted, guide=guide)
    joined, reached = np.zeros_like(whole), np.zeros(shape, np.uint8)
    joined[0] = 1
    for box, part in predict_blocks(mix, hu, spec, Window(overlap), axis, wanted, guide=block_of):
        joined[(slice(None), *box)] = part
        reached[box.slices] += 1
    assert reached.max() <= 1
    np.testing.assert_allclose(joined, whole, atol=1e-6)
    if axis == 0:  # tiles are added in the same order
        np.testing.assert_array_equal(joined, whole)


def test_a_block_holds_no_more_than_a_patch_along_its_axis() -> None:
    depths = [
        box.shape[2]
        for box, part in predict_blocks(echo, volume((20, 20, 200)), SPEC, Window(), 2)
        if part.shape[1:] == box.shape
    ]
    assert sum(depths) == 200
    assert max(depths) <= SPEC.patch[2]


def test_where_nothing_is_wanted_nothing_is_run() -> None:
    def refuse(patch: Array) -> Array:
        raise AssertionError(patch.shape)

    found = predict(refuse, volume((20, 20, 20)), SPEC, Window(), np.zeros((20, 20, 20), bool))
    assert np.all(found[0] == 1)
    assert not found[1:].any()


@settings(max_examples=50)
@given(shape=st.tuples(*[st.integers(16, 150)] * 3), overlap=st.floats(0, 0.8))
def test_tiles_reach_every_voxel_and_keep_their_overlap(shape: tuple[int, int, int], overlap: float) -> None:
    starts = list(tile_starts(shape, SPEC.patch, Window(overlap)))
    for axis, (n, p) in enumerate(zip(shape, SPEC.patch, strict=True)):
        along = sorted({start[axis] for start in starts})
        assert (along[0], along[-1]) == (0, n - p)
        assert all(b - a <= p * (1 - overlap) + 1 for a, b in pairwise(along))


def test_progress_rises_to_one() -> None:
    done: list[float] = []
    predict(echo, volume((40, 16, 16)), SPEC, Window(), None, done.append)
    assert done == sorted(done)
    assert done[-1] == 1.0


def test_the_place_of_a_voxel_in_its_tile_does_not_matter() -> None:
    hu = volume((50, 20, 20))
    spec: NetworkSpec = replace(SPEC, patch=(16, 20, 20))
    whole = predict(echo, hu, spec, Window(0.6))
    part = predict(echo, hu[13:], spec, Window(0.1))
    np.testing.assert_allclose(whole[:, 13:], part, atol=1e-4)


def test_a_guide_goes_in_beside_the_image_tile_by_tile() -> None:
    shape = (40, 9, 20)
    hu = volume(shape)
    guide = np.rint(np.clip(volume(shape, 1)[None] / 1000 + 0.2, 0.01, 0.99) * 255).astype(np.uint8)
    seen = []

    def second_channel(patch: Array) -> Array:
        seen.append(patch.shape)
        return echo(patch[1])

    found = predict(second_channel, hu, SPEC, Window(), guide=guide)
    assert set(seen) == {(2, 16, 16, 16)}
    np.testing.assert_allclose(found[2], guide[0] / 255, atol=1e-4)
