"""Reads what the viewer shows, and keeps it in memory for a while: at most so many bytes, and so long."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from app.web.viewing.marks import Mark, find_marks
from app.web.viewing.stored_result import StoredResult, read_series
from app.web.viewing.surfaces import surfaces_of
from operators.dicom.headers.series import Series
from operators.dicom.pixels.volume_reader import read_volume, require_readable
from operators.dicom.seg.seg_reader import SegmentInfo, read_seg_on, read_segments
from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume, LabelMap

# 512 x 512 x 600: more would fill the memory of browsers and graphics cards; larger CTs lose slices
MOST_VOXELS = 512 * 512 * 600
# The first picture: the browser has it before the whole CT is read
FIRST_SLICES, FIRST_COLUMNS = 80, 192
MOST_BYTES, KEPT_S = 1 << 30, 600.0
# One byte a voxel in the browser
MOST_SEGMENTS = 255
HU = np.iinfo(np.int16)


@dataclass(frozen=True, eq=False)
class Opened:
    """A CT and the labels on it, int16 and uint8 on one grid; `step` is 1 if no slice was left out."""

    series: Series
    ct: CtVolume
    labels: LabelMap
    infos: tuple[SegmentInfo, ...]
    step: int

    @property
    def nbytes(self) -> int:
        """Returns the memory that it takes."""
        return self.ct.hu.nbytes + self.labels.labels.nbytes

    @cached_property
    def marks(self) -> tuple[Mark, ...]:
        """Returns where each segment and each contact of fragments is seen best."""
        return find_marks(self.labels, self.infos)

    def slice_middle(self, k: int) -> tuple[float, float, float]:
        """Returns the middle of the segments in slice `k`, or of the slice, LPS mm."""
        labelled = np.argwhere(self.labels.labels[:, :, k])
        i, j = labelled.mean(axis=0) if len(labelled) else np.array(self.labels.grid.shape[:2]) / 2
        x, y, z = self.labels.grid.to_lps(np.array([[i, j, k]]))[0]
        return float(x), float(y), float(z)

    @cached_property
    def surfaces(self) -> bytes:
        """Returns the surfaces of the segments as JSON."""
        return json.dumps(surfaces_of(self.labels, self.infos), separators=(",", ":")).encode()


class Views:
    """The series and volumes that were looked at lately; read one at a time."""

    def __init__(
        self,
        most_bytes: int = MOST_BYTES,
        kept_s: float = KEPT_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most_bytes, self.kept_s, self.now_s = most_bytes, kept_s, now_s
        self.scans = dict[tuple[str, int], tuple[float, Series]]()
        self.firsts = dict[tuple[str, int], tuple[float, CtVolume]]()
        self.volumes = dict[tuple[str, int, str], tuple[float, Opened]]()
        self.scanning, self.looking, self.reading = (threading.Lock() for _ in range(3))

    def series(self, result: StoredResult) -> Series:
        """Returns the series of a result. Raises UnreadableError."""
        key = result.job_id, result.number
        with self.scanning:
            found = self.scans[key][1] if key in self.scans else read_series(result)
            self.scans[key] = self.now_s(), found
        return found

    def first(self, result: StoredResult) -> CtVolume:
        """Returns every few slices and pixels of a CT. Raises OsteonError."""
        key, series = (result.job_id, result.number), self.series(result)
        with self.looking:
            found = self.firsts[key][1] if key in self.firsts else first_picture(series)
            self.firsts[key] = self.now_s(), found
        return found

    def opened(self, result: StoredResult) -> Opened:
        """Returns a CT with its labels. Raises OsteonError."""
        key, series = (result.job_id, result.number, result.corrected), self.series(result)
        with self.reading:
            found = self.volumes[key][1] if key in self.volumes else read_opened(result, series)
            self.volumes.pop(key, None)
            self.volumes[key] = self.now_s(), found
            while len(self.volumes) > 1 and self._bytes() > self.most_bytes:
                del self.volumes[next(iter(self.volumes))]
        return found

    def forget_old(self) -> None:
        """Forgets what nobody has looked at for a while."""
        before_s = self.now_s() - self.kept_s
        with self.scanning:
            self.scans = {key: kept for key, kept in self.scans.items() if kept[0] >= before_s}
        with self.looking:
            self.firsts = {key: kept for key, kept in self.firsts.items() if kept[0] >= before_s}
        with self.reading:
            self.volumes = {key: kept for key, kept in self.volumes.items() if kept[0] >= before_s}

    def _bytes(self) -> int:
        return sum(opened.nbytes for _, opened in self.volumes.values())


def first_picture(series: Series) -> CtVolume:
    """Reads every few slices of a CT, and of these every few pixels. Raises OsteonError."""
    grid = require_readable(series)
    volume = as_int16(read_volume(thinned(series, -(-grid.shape[2] // FIRST_SLICES))))
    step = -(-max(grid.shape[:2]) // FIRST_COLUMNS)
    return CtVolume(volume.hu[::step, ::step], volume.grid.strided((step, step, 1)), volume.notes)


def read_opened(result: StoredResult, series: Series) -> Opened:
    """Reads a CT and its labels. Raises OsteonError."""
    grid = require_readable(series)
    step = -(-int(np.prod(grid.shape, dtype=np.int64)) // MOST_VOXELS)
    if result.seg is None:
        raise UnsuitableError("expected a SEG on the CT, got none")
    infos = read_segments(result.seg)
    if max((info.value for info in infos), default=0) > MOST_SEGMENTS:
        raise UnsuitableError(f"expected at most {MOST_SEGMENTS} segments to show, got {len(infos)}")
    labels = read_seg_on(result.seg, grid)
    ct = as_int16(read_volume(thinned(series, step)))
    return Opened(series, ct, LabelMap(labels.labels[:, :, ::step], ct.grid), infos, step)


def thinned(series: Series, step: int) -> Series:
    """Returns every so many slices of a series, on a grid with as many fewer."""
    if step == 1 or series.grid is None:
        return series
    frames = tuple(replace(frame, k=frame.k / step) for frame in series.frames[::step])
    return replace(series, frames=frames, grid=series.grid.strided((1, 1, step)))


def as_int16(volume: CtVolume) -> CtVolume:
    """Returns a volume as whole Hounsfield units."""
    if volume.hu.dtype == np.int16:
        return volume
    return replace(volume, hu=np.clip(np.rint(volume.hu), HU.min, HU.max).astype(np.int16))
