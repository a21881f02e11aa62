"""Images and label maps on a grid in patient space."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.geometry.value_notes import Note

Scalar = TypeVar("Scalar", bound=np.generic)

# 8 MB of float32: far smaller than the arrays of a run, far larger than the overhead of a call for each slab
SLAB_VOXELS = 1 << 21


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """Returns a view of `array` that refuses writes."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class Grid:
    """The position of an array's voxels in patient space.

    `ijk_to_lps` is 4x4, float64, and takes a voxel's array index (its centre) to patient coordinates in mm, x
    to the patient's left, y to posterior, z to superior (PS3.3 C.7.6.2.1.1). Its axes need not be
    perpendicular: a tilted gantry gives a sheared grid.
    """

    shape: tuple[int, int, int]
    ijk_to_lps: NDArray[np.float64]
    frame_of_reference_uid: str = ""

    def __post_init__(self) -> None:
        affine = np.array(self.ijk_to_lps, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise ValueError(f"expected a finite 4x4 affine, got {affine!r}")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
            raise ValueError("expected an affine with three independent axes, got a degenerate one")
        object.__setattr__(self, "ijk_to_lps", read_only(affine))
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along each array axis."""
        i, j, k = np.linalg.norm(self.ijk_to_lps[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_volume_mm3(self) -> float:
        """Volume of one voxel, from the determinant, so that it holds for sheared grids."""
        return float(abs(np.linalg.det(self.ijk_to_lps[:3, :3])))

    @property
    def lps_to_ijk(self) -> NDArray[np.float64]:
        """Matrix (4x4) from patient coordinates in mm to array index."""
        return np.linalg.inv(self.ijk_to_lps).astype(np.float64)

    def to_lps(self, ijk: NDArray[Any]) -> NDArray[np.float64]:
        """Returns the positions (N, 3), LPS mm, of array indices (N, 3)."""
        points: NDArray[np.float64] = ijk @ self.ijk_to_lps[:3, :3].T + self.ijk_to_lps[:3, 3]
        return points

    def to_ijk(self, points_lps: NDArray[Any]) -> NDArray[np.float64]:
        """Returns the array indices (N, 3), with fractions, of positions (N, 3), LPS mm."""
        inverse = self.lps_to_ijk
        indices: NDArray[np.float64] = points_lps @ inverse[:3, :3].T + inverse[:3, 3]
        return indices

    def crop(self, box: Box) -> Grid:
        """Returns the grid of the voxels inside `box`."""
        moved = self.ijk_to_lps.copy()
        moved[:3, 3] = (self.ijk_to_lps @ np.array([*box.start, 1.0]))[:3]
        return Grid(box.shape, moved, self.frame_of_reference_uid)

    def strided(self, steps: tuple[int, int, int]) -> Grid:
        """Returns the grid of every so many voxels along each axis, beginning with the first."""
        i, j, k = (len(range(0, size, step)) for size, step in zip(self.shape, steps, strict=True))
        affine = self.ijk_to_lps.copy()
        affine[:3, :3] *= steps
        return Grid((i, j, k), affine, self.frame_of_reference_uid)

    def same_as(self, other: Grid, tolerance_mm: float = 1e-3) -> bool:
        """Returns whether both grids place every voxel at the same position, within `tolerance_mm`."""
        return self.shape == other.shape and np.allclose(
            self.ijk_to_lps, other.ijk_to_lps, rtol=0, atol=tolerance_mm / max(self.shape)
        )


@dataclass(frozen=True)
class Box:
    """A block of voxels: `start` inclusive, `stop` exclusive, in array indices."""

    start: tuple[int, int, int]
    stop: tuple[int, int, int]

    @classmethod
    def of(cls, slices: tuple[slice, ...]) -> Box:
        """Returns the block of three slices without steps, such as those of scipy's find_objects."""
        i, j, k = slices
        return cls((i.start, j.start, k.start), (i.stop, j.stop, k.stop))

    @classmethod
    def around(cls, mask: NDArray[np.bool_] | NDArray[np.unsignedinteger]) -> Box | None:
        """Returns the smallest block that holds all of a mask or all labels (I, J, K), or None."""
        edges = []
        for axis in range(3):
            there = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
            if not len(there):
                return None
            edges.append(slice(int(there[0]), int(there[-1]) + 1))
        return cls.of(tuple(edges))

    @classmethod
    def around_all(cls, boxes: Iterable[Box]) -> Box:
        """Returns the smallest block that holds all boxes."""
        edges = np.array([(box.start, box.stop) for box in boxes])
        i, j, k = edges[:, 0].min(axis=0).tolist()
        to_i, to_j, to_k = edges[:, 1].max(axis=0).tolist()
        return cls((i, j, k), (to_i, to_j, to_k))

    def grow(self, voxels: Sequence[int], shape: Sequence[int]) -> Box:
        """Returns the block grown by a number of voxels on both sides of each axis, within `shape`."""
        i, j, k = (max(start - n, 0) for start, n in zip(self.start, voxels, strict=True))
        to_i, to_j, to_k = (min(stop + n, m) for stop, n, m in zip(self.stop, voxels, shape, strict=True))
        return Box((i, j, k), (to_i, to_j, to_k))

    def grow_mm(self, margin_mm: float, spacing_mm: Sequence[float], shape: Sequence[int]) -> Box:
        """Returns the block grown by at least a margin on all sides, within an array of `shape`."""
        return self.grow([int(np.ceil(margin_mm / step)) for step in spacing_mm], shape)

    @property
    def shape(self) -> tuple[int, int, int]:
        """The number of voxels along each axis."""
        i, j, k = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k

    @property
    def slices(self) -> tuple[slice, slice, slice]:
        """The slices that index an array with this box."""
        i, j, k = (slice(a, b) for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k

    def __iter__(self) -> Iterator[slice]:
        return iter(self.slices)


def slabs(shape: tuple[int, ...]) -> Iterator[Box]:
    """Yields blocks across the last axis that fill a grid of `shape`, thin enough for temporary arrays."""
    i, j, last = shape
    thickness = max(SLAB_VOXELS // (i * j), 1)
    for k in range(0, last, thickness):
        yield Box((0, 0, k), (i, j, min(k + thickness, last)))


@dataclass(frozen=True, eq=False)
class CtVolume:
    """A CT: `hu` (I, J, K), int16 or float32, on `grid`; `notes` report corrections and doubts."""

    reads: ClassVar[str] = "volume"

    hu: NDArray[np.int16] | NDArray[np.float32]
    grid: Grid
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        if self.hu.shape != self.grid.shape:
            raise ValueError(f"expected an array of {self.grid.shape}, got {self.hu.shape}")
        object.__setattr__(self, "hu", read_only(self.hu))


# The highest value of a label map: two bytes hold it
HIGHEST_VALUE = np.iinfo(np.uint16).max


Labels = NDArray[np.uint8] | NDArray[np.uint16]


def background(shape: tuple[int, ...], highest: int) -> Labels:
    """Returns labels of `shape`, all 0, of the smallest type for values up to `highest`.

    A label map is among the largest arrays of a run.
    """
    if highest <= np.iinfo(np.uint8).max:
        return np.zeros(shape, np.uint8)
    return np.zeros(shape, np.uint16)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Labels (I, J, K), unsigned integers, on `grid`; 0 is background."""

    labels: Labels
    grid: Grid

    def __post_init__(self) -> None:
        if self.labels.shape != self.grid.shape:
            raise ValueError(f"expected an array of {self.grid.shape}, got {self.labels.shape}")
        if self.labels.dtype.kind != "u":
            raise ValueError(f"expected unsigned labels, got {self.labels.dtype}")
        object.__setattr__(self, "labels", read_only(self.labels))
