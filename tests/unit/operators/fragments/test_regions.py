"""Watershed basins and regions joined over their faces."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from operators.fragments.region_graph import Face, Regions, basins, voxel_graph


def regions_of(labels: NDArray[np.int32], evidence: NDArray[np.float32]) -> Regions:
    """Regions of a label array without background."""
    return Regions(voxel_graph(np.ones(labels.shape, bool)), labels.ravel(), evidence.ravel())


def test_voxels_are_joined_to_those_beside_them_inside_the_mask_alone() -> None:
    mask = np.array([[[1, 1, 0], [0, 1, 1]]], bool)
    graph = voxel_graph(mask)
    assert graph.voxels == 4
    assert sorted(map(tuple, graph.pairs.T.tolist())) == [(0, 1), (1, 2), (2, 3)]


def row(*heights: float) -> NDArray[np.float32]:
    return np.array(heights, np.float32)


@pytest.mark.parametrize(
    ("heights", "level", "expected"),
    [
        ((2, 0, 1, 3, 1, 0.5, 2), 1.0, [0, 0, 0, 0, 1, 1, 1]),
        ((2, 0, 1, 3, 1, 0.5, 2), 2.6, [0, 0, 0, 0, 0, 0, 0]),
        ((1, 1, 1, 1), 1.0, [0, 0, 0, 0]),
        ((7,), 1.0, [0]),
    ],
    ids=["two valleys", "a low pass is flooded", "a plain", "one voxel"],
)
def test_basins_of_a_row(heights: tuple[float, ...], level: float, expected: list[int]) -> None:
    found = basins(voxel_graph(np.ones((len(heights), 1, 1), bool)), row(*heights), level)
    same = found[:, None] == found[None, :]
    wanted = np.array(expected)
    np.testing.assert_array_equal(same, wanted[:, None] == wanted[None, :])


def test_a_hollow_on_a_pass_goes_to_one_side() -> None:
    found = basins(voxel_graph(np.ones((5, 1, 1), bool)), row(0, 5, 4.5, 5, 1), 1.0)
    assert found[0] != found[4]
    assert len(set(found.tolist())) == 2


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_every_basin_is_in_one_piece_and_every_piece_of_the_mask_has_its_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 10, 11)) > 0.4
    height = rng.random(int(mask.sum())).astype(np.float32)
    labels = np.zeros(mask.shape, np.int32)
    labels[mask] = basins(voxel_graph(mask), height, float(rng.uniform(0, 0.5))) + 1
    pieces = ndimage.label(mask)[0]
    for value in np.unique(labels[mask]):
        assert ndimage.label(labels == value)[1] == 1
        assert len(np.unique(pieces[labels == value])) == 1


def test_a_face_bears_the_greater_evidence_of_each_pair_of_voxels() -> None:
    labels = np.zeros((4, 3, 2), np.int32)
    labels[2:] = 1
    evidence = np.zeros(labels.shape, np.float32)
    evidence[2] = 0.5
    regions = regions_of(labels, evidence)
    assert regions.faces == {0: {1: Face(3.0, 6)}, 1: {0: Face(3.0, 6)}}
    assert regions.sizes == {0: 12, 1: 12}


def stack(*thickness: int) -> NDArray[np.int32]:
    """Layers 0, 1, ... of 4x4 voxels along the first axis."""
    return np.repeat(np.arange(len(thickness), dtype=np.int32), thickness)[:, None, None] * np.ones(
        (1, 4, 4), np.int32
    )


def test_regions_merge_where_the_evidence_between_is_least() -> None:
    labels = stack(3, 3, 3, 3)
    evidence = np.zeros(labels.shape, np.float32)
    evidence[3], evidence[6], evidence[9] = 0.2, 0.8, 0.4
    regions = regions_of(labels, evidence)
    regions.merge(lambda face, _: face.mean, lambda mean, _a, _b: mean < 0.5)
    np.testing.assert_array_equal(regions.of_voxels().reshape(labels.shape)[:, 0, 0], [0] * 6 + [2] * 6)
    between = regions.faces[0][2]
    assert between.total == pytest.approx(0.8 * 16)
    assert between.size == 16
    assert regions.faces == {0: {2: between}, 2: {0: between}}


def test_the_evidence_of_a_joined_face_is_the_mean_over_both() -> None:
    labels = np.array([[[0, 1]], [[2, 2]]], np.int32)
    evidence = np.array([[[0.9, 0.3]], [[0.0, 0.0]]], np.float32)
    regions = regions_of(labels, evidence)
    regions.join(0, 1)
    face = regions.faces[0][2]
    assert face.total == pytest.approx(1.2)
    assert face.size == 2


def test_a_small_region_joins_the_neighbour_with_the_most_free_face() -> None:
    labels = stack(5, 1, 6)
    evidence = np.zeros(labels.shape, np.float32)
    evidence[4] = 1.0
    regions = regions_of(labels, evidence)
    regions.absorb(20)
    assert set(regions.of_voxels().tolist()) == {0, 2}
    assert regions.sizes == {0: 80, 2: 112}


def test_a_small_region_that_touches_nothing_stays() -> None:
    mask = np.array([1, 1, 0, 1], bool).reshape(4, 1, 1)
    regions = Regions(voxel_graph(mask), np.array([0, 0, 1], np.int32), np.zeros(3, np.float32))
    regions.absorb(10)
    assert regions.sizes == {0: 2, 1: 1}
