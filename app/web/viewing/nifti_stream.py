"""Streams volumes to a browser as NIfTI-1, turned to RAS so that its voxels need no reordering there."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from operators.geometry.orientation import Turn, turn_to
from operators.geometry.volume import Grid
from operators.image_files.label_files import RAS_TO_LPS

RAS = "RAS"
# NIfTI-1: a header of 348 bytes, and 4 bytes that say that no extension follows
HEAD_BYTES, NO_EXTENSION = 352, bytes(4)
CHUNK_BYTES = 4 << 20
GZIP = 16 + zlib.MAX_WBITS
# Labels shrink a hundredfold at any level; CT hardly shrinks and is not compressed
FASTEST = 1


def turned_grid(grid: Grid, turn: Turn) -> tuple[tuple[int, ...], NDArray[np.float64]]:
    """Returns shape (x, y, z) and the affine to RAS mm of an array that `turn` turned to (z, y, x)."""
    axes = turn.axes[::-1]
    backwards = turn.backwards[::-1]
    affine = np.eye(4)
    affine[:3, :3] = grid.ijk_to_lps[:3, list(axes)] * np.where(backwards, -1.0, 1.0)
    first = np.zeros(3)
    for axis, back in zip(axes, backwards, strict=True):
        first[axis] = grid.shape[axis] - 1 if back else 0
    affine[:3, 3] = grid.to_lps(first[np.newaxis])[0]
    return tuple(grid.shape[axis] for axis in axes), RAS_TO_LPS @ affine


def head(grid: Grid, dtype: np.dtype[Any], window_hu: tuple[float, float] = (0, 0)) -> bytes:
    """Returns the header of a volume on `grid`, turned to RAS; `window_hu` is shown at first."""
    shape, affine = turned_grid(grid, turn_to(grid, RAS))
    made = nibabel.Nifti1Header()
    made.set_data_dtype(dtype)
    made.set_data_shape(shape)
    # NiiVue takes the voxels' size from here, not from the affine
    made.set_zooms(np.linalg.norm(affine[:3, :3], axis=0))
    made.set_sform(affine, code="scanner")
    made.set_xyzt_units("mm")
    made["cal_min"], made["cal_max"] = window_hu
    made["vox_offset"], made["magic"] = HEAD_BYTES, b"n+1"
    return bytes(made.binaryblock) + NO_EXTENSION


def stream(values: NDArray[Any], grid: Grid, window_hu: tuple[float, float] = (0, 0)) -> Iterator[bytes]:
    """Yields a volume (I, J, K) on `grid` as NIfTI, a few slices at a time."""
    yield head(grid, values.dtype, window_hu)
    turned = turn_to(grid, RAS).apply(values)
    step = max(CHUNK_BYTES // max(turned[0].nbytes, 1), 1)
    for start in range(0, len(turned), step):
        yield turned[start : start + step].tobytes()


def stream_bytes(values: NDArray[Any]) -> int:
    """Returns the length of a stream."""
    return HEAD_BYTES + values.nbytes


def compressed(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yields a stream as gzip."""
    packer = zlib.compressobj(FASTEST, wbits=GZIP)
    for part in parts:
        yield packer.compress(part)
    yield packer.flush()
