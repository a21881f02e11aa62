"""Reads the pixels of one series into a volume of Hounsfield units."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from operators.dicom.elements.inflation import read_inflated_span
from operators.dicom.elements.pixel_element import Span
from operators.dicom.headers.series import Fault, Frame, Series, StoredPixels
from operators.dicom.hounsfield.hounsfield import to_hu
from operators.dicom.hounsfield.hounsfield_decision import read_checked
from operators.dicom.hounsfield.hounsfield_header import CT
from operators.dicom.hounsfield.hounsfield_mends import mend_storage
from operators.dicom.pixels.decoding import Inflate, Stored, decode, supported
from operators.errors import UnreadableError
from operators.geometry.volume import CtVolume, Grid

# (rows, columns), and (planes, rows, columns)
Plane = NDArray[np.int16]
Planes = NDArray[np.int16]

# Planes that one worker fills in a row: consecutive planes share their source slices, which are then read
# once.
RUN = 8
# A slice nearer than this to a plane of the grid is used for that plane without interpolation.
SAME_PLANE = 1e-3
# 512 x 512 x 8192: no CT is larger, and 4 GiB of int16 is the most that one machine is asked for.
MAXIMUM_VOXELS = 2**31
# 8192 x 8192: sixteen times the pixels of a 2048 matrix, the largest that a CT is known to write.
MAXIMUM_FRAME_PIXELS = 2**26
_BITS_ALLOCATED = (8, 16, 32)
# MONOCHROME1 says only how values are shown (PS3.3 C.7.6.3.1.2): Hounsfield units stay the same.
_PHOTOMETRIC = ("MONOCHROME2", "MONOCHROME1")


def read_volume(series: Series, workers: int = 4) -> CtVolume:
    """Reads Hounsfield units (I, J, K), int16, on the grid of `series`; I is contiguous, as slices are
    stored.

    The values of a CT are checked; its notes say what was corrected. Raises UnreadableError, and
    UnsuitableError if they are not Hounsfield units.
    """
    require_readable(series)
    if series.modality != CT:
        return _read(series, workers)
    reader = _Reader(series, np.empty((0, 0, 0), np.int16), _inflate(series.frames, workers))
    mended = mend_storage(series, reader.stored)
    volume = read_checked(mended.series, lambda each: _read(each, workers))
    return replace(volume, notes=(*mended.notes, *volume.notes))


def _read(series: Series, workers: int) -> CtVolume:
    """Reads the values as the header rescales them."""
    grid = require_readable(series)
    planes = np.empty(grid.shape[::-1], dtype=np.int16)
    reader = _Reader(series, planes, _inflate(series.frames, workers))
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(reader.fill, range(0, len(planes), RUN)):
            pass
    return CtVolume(planes.transpose(), grid)


def _inflate(frames: Sequence[Frame], workers: int) -> Inflate:
    """Returns a function that inflates a slice; a multi-frame instance is inflated once and kept."""
    together: dict[Path, Span] = {}
    for frame in frames:
        if frame.frame_number is not None and frame.pixels is not None:
            (span,) = frame.pixels.spans[:1] or (Span(0, 0),)
            known = together.get(frame.path, span)
            start, end = min(span.offset, known.offset), max(_end(span), _end(known))
            together[frame.path] = Span(start, end - start)
    kept, lock = lru_cache(maxsize=workers)(read_inflated_span), Lock()

    def inflate(path: Path, span: Span) -> bytes:
        if path not in together:
            return read_inflated_span(path, span)
        start = span.offset - together[path].offset
        with lock:  # without the lock each thread would inflate all of it
            content = kept(path, together[path])
        return content[start : start + span.length]

    return inflate


def _end(span: Span) -> int:
    return span.offset + span.length


def require_readable(series: Series) -> Grid:
    """Returns the grid of a readable series. Raises UnreadableError before any pixel is decoded."""
    if series.grid is None:
        fault = series.fault or Fault("no_grid", "expected a grid, got none")
        raise UnreadableError(fault.text, code=fault.code)
    voxels = int(np.prod(series.grid.shape, dtype=np.float64))
    if voxels > MAXIMUM_VOXELS or series.rows * series.columns > MAXIMUM_FRAME_PIXELS:
        raise UnreadableError(
            f"expected at most {MAXIMUM_VOXELS} voxels, got {voxels} by rows, columns and slices",
            code="too_large",
        )
    for pixels in {frame.pixels for frame in series.frames}:
        _require_stored(pixels)
    return series.grid


def _require_stored(pixels: StoredPixels | None) -> None:
    if pixels is None:
        raise UnreadableError("expected pixels, got a frame without them", code="no_image")
    if pixels.photometric not in _PHOTOMETRIC or pixels.samples != 1:
        raise UnreadableError(
            f"expected one sample per pixel in MONOCHROME2, got {pixels.samples} in {pixels.photometric}",
            code="bad_photometric_interpretation",
        )
    if pixels.bits_allocated not in _BITS_ALLOCATED:
        raise UnreadableError(
            f"expected 8, 16 or 32 bits allocated, got {pixels.bits_allocated}", code="bad_bits_allocated"
        )
    if not supported(pixels.transfer_syntax_uid):
        raise UnreadableError(
            f"expected a supported transfer syntax, got {pixels.transfer_syntax_uid}",
            code="unsupported_transfer_syntax",
        )


@dataclass(frozen=True, eq=False)
class _Reader:
    series: Series
    planes: Planes
    inflated: Inflate

    def fill(self, start: int) -> None:
        """Reads a run of planes into place."""
        read = lru_cache(maxsize=2)(self._frame)
        for k in range(start, min(start + RUN, len(self.planes))):
            self.planes[k] = _mixed([(read(n), weight) for n, weight in weights(self.series.frames, k)])

    def _frame(self, n: int) -> Plane:
        stored = self.stored(n)
        pixels = self.series.frames[n].pixels
        assert pixels is not None
        return to_hu(stored, pixels)

    def stored(self, n: int) -> Stored:
        """Returns the stored values of the n-th frame. Raises UnreadableError."""
        frame = self.series.frames[n]
        if frame.pixels is None:
            raise UnreadableError("expected pixels, got a frame without them", code="no_image")
        place = f"in slice {n + 1} of {len(self.series.frames)}"
        try:
            return decode(frame.path, frame.pixels, self.inflated)
        except UnreadableError as error:
            raise UnreadableError(f"{error}, {place}", code=error.code) from error
        except OSError as error:
            raise UnreadableError(
                f"expected a readable file, got one that cannot be opened, {place}"
            ) from error


def weights(frames: Sequence[Frame], k: int) -> list[tuple[int, float]]:
    """Returns the frames that make plane `k` of the grid, and their weights in linear interpolation."""
    places = np.array([frame.k for frame in frames])
    nearest = int(np.abs(places - k).argmin())
    above = int(np.searchsorted(places, k))
    if abs(places[nearest] - k) <= SAME_PLANE or not 0 < above < len(places):
        return [(nearest, 1.0)]
    share = float((k - places[above - 1]) / (places[above] - places[above - 1]))
    return [(above - 1, 1 - share), (above, share)]


def _mixed(planes: list[tuple[Plane, float]]) -> Plane:
    if len(planes) == 1:
        return planes[0][0]
    mixed = sum(plane.astype(np.float32) * np.float32(weight) for plane, weight in planes)
    return np.rint(mixed).astype(np.int16)
