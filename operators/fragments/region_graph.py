"""Represents a bone's voxels as a graph: watershed basins, and regions that are joined over shared faces."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]
Pairs = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class VoxelGraph:
    """The N voxels of a mask in C order, and the number pairs (2, M) of voxels that share a side."""

    voxels: int
    pairs: Numbers


def voxel_graph(mask: NDArray[np.bool_]) -> VoxelGraph:
    """Returns the graph of the voxels of `mask` (I, J, K)."""
    voxels = int(np.count_nonzero(mask))
    number = np.zeros(mask.shape, np.int32)
    number[mask] = np.arange(voxels, dtype=np.int32)
    found = []
    for axis in range(mask.ndim):
        inside, along = np.moveaxis(mask, axis, 0), np.moveaxis(number, axis, 0)
        both = inside[:-1] & inside[1:]
        found.append(np.stack([along[:-1][both], along[1:][both]]))
    return VoxelGraph(voxels, np.concatenate(found, axis=1))


def basins(graph: VoxelGraph, height: Floats, level: float) -> Numbers:
    """Returns the basin (0, 1, ...) of each voxel of a relief `height` (N,).

    Water runs from every voxel to its lowest neighbour; basins that spill over after rising by less than
    `level` are joined to the deeper one behind the pass (watershed with h-minima, as in Vincent & Soille
    1991).
    """
    bottom, basin = np.unique(downhill(graph, height), return_inverse=True)
    numbers = basin.astype(np.int32)
    return flooded(numbers, height[bottom], passes(graph, height, numbers), level)


def downhill(graph: VoxelGraph, height: Floats) -> Pairs:
    """Returns for each voxel the voxel in which its water gathers; of equal heights the first is lower."""
    order = np.argsort(height, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(graph.voxels)
    ends = rank[graph.pairs]
    towards = np.arange(graph.voxels)
    np.minimum.at(towards, ends.max(axis=0), ends.min(axis=0))
    while True:
        further = towards[towards]
        if np.array_equal(further, towards):
            gathered: Pairs = order[towards[rank]]
            return gathered
        towards = further


def passes(graph: VoxelGraph, height: Floats, basin: Numbers) -> Iterator[tuple[float, int, int]]:
    """Yields the lowest pass between every two basins that touch: its height and the two, lowest first."""
    pairs, at = touching(graph, basin)
    ridge = height[graph.pairs[:, at]].max(axis=0)
    order = np.argsort(ridge, kind="stable")
    _, first = np.unique(pairs[order], return_index=True)
    lowest = order[np.sort(first)]
    for one, key in zip(ridge[lowest].tolist(), pairs[lowest].tolist(), strict=True):
        yield one, key >> 32, key & 0xFFFFFFFF


def touching(graph: VoxelGraph, region: Numbers) -> tuple[Pairs, NDArray[np.intp]]:
    """Returns where two regions meet: a key of both numbers, the lower in high bits, and the pair's index."""
    a, b = region[graph.pairs[0]], region[graph.pairs[1]]
    at = np.flatnonzero(a != b)
    low, high = np.minimum(a[at], b[at]), np.maximum(a[at], b[at])
    return low.astype(np.int64) << 32 | high, at


def flooded(
    basin: Numbers, bottom: Floats, ordered: Iterator[tuple[float, int, int]], level: float
) -> Numbers:
    """Returns basins after those shallower than `level` were joined over their lowest passes."""
    parent = list(range(len(bottom)))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for height, a, b in ordered:
        deep, shallow = sorted((root(a), root(b)), key=lambda one: float(bottom[one]))
        if deep != shallow and height - bottom[shallow] < level:
            parent[shallow] = deep
    _, numbers = np.unique([root(one) for one in range(len(parent))], return_inverse=True)
    return numbers.astype(np.int32)[basin] if len(basin) else basin


class Face(NamedTuple):
    """The face between two regions: the sum of the evidence over it, and its size in voxel sides."""

    total: float
    size: int

    @property
    def mean(self) -> float:
        """The mean evidence over the face."""
        return self.total / self.size


class Regions:
    """Regions 0, 1, ... that can be joined; `sizes` in voxels, `faces[a][b]` between two that touch."""

    def __init__(self, graph: VoxelGraph, region: Numbers, evidence: Floats) -> None:
        self.first = region
        self.sizes = dict(enumerate(np.bincount(region).tolist()))
        self.faces: dict[int, dict[int, Face]] = {one: {} for one in self.sizes}
        self.joined = np.arange(len(self.sizes))
        keys, at = touching(graph, region)
        unique, index = np.unique(keys, return_inverse=True)
        most = evidence[graph.pairs[:, at]].max(axis=0)
        totals, sizes = np.bincount(index, most), np.bincount(index)
        for key, total, size in zip(unique.tolist(), totals.tolist(), sizes.tolist(), strict=True):
            a, b = key >> 32, key & 0xFFFFFFFF
            self.faces[a][b] = self.faces[b][a] = Face(total, size)

    def join(self, keep: int, gone: int) -> None:
        """Joins two regions, and the faces of both."""
        self.sizes[keep] += self.sizes.pop(gone)
        self.joined[self.joined == gone] = keep
        for other, face in self.faces.pop(gone).items():
            del self.faces[other][gone]
            if other != keep:
                before = self.faces[keep].get(other, Face(0.0, 0))
                both = Face(before.total + face.total, before.size + face.size)
                self.faces[keep][other] = self.faces[other][keep] = both

    def merge(self, score: Callable[[Face, int], float], may_join: Callable[[float, int, int], bool]) -> None:
        """Joins pairs of regions one after the other, those with the lowest score first, if they may be
        joined.

        `score` takes the face between two regions and the size of the smaller one; after a join a face is the
        sum of both (average linkage). `may_join` takes the score and the two regions.
        """
        waiting: list[tuple[float, int, int, Face]] = []

        def wait(a: int, b: int) -> None:
            face, smaller = self.faces[a][b], min(self.sizes[a], self.sizes[b])
            heapq.heappush(waiting, (score(face, smaller), min(a, b), max(a, b), face))

        for a, row in self.faces.items():
            for b in row:
                if a < b:
                    wait(a, b)
        while waiting:
            value, a, b, face = heapq.heappop(waiting)
            if self.faces.get(a, {}).get(b) is not face or not may_join(value, a, b):
                continue
            self.join(a, b)
            for other in self.faces[a]:
                # A new object: entries that still wait with the former size are skipped
                self.faces[a][other] = self.faces[other][a] = Face(*self.faces[a][other])
                wait(a, other)

    def absorb(self, smallest: float) -> None:
        """Joins regions smaller than `smallest` voxels to a neighbour, the smallest first.

        The neighbour is the one with the most face free of evidence; regions that touch nothing stay.
        """
        while True:
            small = [one for one, size in self.sizes.items() if size < smallest and self.faces[one]]
            if not small:
                return
            one = min(small, key=lambda region: self.sizes[region])
            row = self.faces[one]
            self.join(max(row, key=lambda other: row[other].size - row[other].total), one)

    def of_voxels(self) -> Numbers:
        """Returns the current region of each voxel."""
        return self.joined.astype(np.int32)[self.first]
