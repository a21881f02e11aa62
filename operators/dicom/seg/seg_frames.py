"""The frames of a DICOM SEG: which slices hold a label, and their pixels, a few slices at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.dicom.headers.series import Series
from operators.geometry.volume import LabelMap

# Slices copied at a time: if they are not contiguous in memory, 64 adjacent bytes are one cache line
CHUNK = 64
Plane = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, eq=False)
class BitFrame:
    """One segment on one slice: the slice's index among the series' frames, and the segment's bits."""

    place: int
    bits: bytes


def labelled_slices(label_map: LabelMap, series: Series) -> dict[int, int]:
    """Returns the indices of the series' frames that hold a label, each with its slice of the label map."""
    labelled: NDArray[np.bool_] = np.any(label_map.labels, axis=(0, 1))
    indices = [min(max(round(frame.k), 0), len(labelled) - 1) for frame in series.frames]
    return {place: k for place, k in enumerate(indices) if labelled[k]}


def planes(label_map: LabelMap, slices: Sequence[int]) -> Iterator[Plane]:
    """Yields each slice (rows, columns), with its pixels in DICOM's order."""
    labels = label_map.labels
    rows = np.flatnonzero(np.any(labels, axis=(0, 2)))
    for start in range(0, len(slices), CHUNK):
        chunk = list(slices[start : start + CHUNK])
        block = np.zeros((len(chunk), *labels.shape[1::-1]), dtype=labels.dtype)
        for row in rows:
            block[:, row, :] = labels[:, row, chunk].T
        yield from block


def values_present(label_map: LabelMap, slices: dict[int, int]) -> set[int]:
    """Returns the values in the slices, except 0."""
    present = np.zeros(np.iinfo(label_map.labels.dtype).max + 1, bool)
    for plane in planes(label_map, list(slices.values())):
        present[plane] = True
    return set((np.flatnonzero(present[1:]) + 1).tolist())


def bit_frames(
    label_map: LabelMap, slices: dict[int, int], values: Sequence[int]
) -> dict[int, list[BitFrame]]:
    """Yields the frames of each value present; the first voxel is the lowest bit (PS3.5 8.1.1)."""
    frames: dict[int, list[BitFrame]] = {value: [] for value in values}
    for place, plane in zip(slices, planes(label_map, list(slices.values())), strict=True):
        for value, own in frames.items():
            inside = plane == value
            if inside.any():
                own.append(BitFrame(place, np.packbits(inside, bitorder="little").tobytes()))
    return {value: own for value, own in frames.items() if own}


def without_gaps(frames: Sequence[BitFrame], size: int) -> Iterator[bytes]:
    """Concatenates the frames' bits, `size` of each, without padding between frames (PS3.5 8.1.1)."""
    if size % 8 == 0:
        yield from (frame.bits for frame in frames)
        return
    for start in range(0, len(frames), 8):  # the bits of eight frames are whole bytes whatever their size
        packed = [np.frombuffer(frame.bits, np.uint8) for frame in frames[start : start + 8]]
        bits = [np.unpackbits(each, count=size, bitorder="little") for each in packed]
        yield np.packbits(np.concatenate(bits), bitorder="little").tobytes()
