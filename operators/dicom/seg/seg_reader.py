"""Reads a DICOM SEG back into a label map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from highdicom.color import CIELabColor
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from operators.dicom.provenance.coded_concepts import code_of
from operators.dicom.seg.seg_geometry import SegPlacement, placement_of, placement_on
from operators.dicom.seg.segment_descriptions import bone_and_fragment, side_of
from operators.errors import UnreadableError, reason
from operators.geometry.volume import Grid, LabelMap, Scalar
from operators.packages.structures import Code

NO_COLOUR = (200, 200, 200)  # a light grey, for a segment without a recommended colour


@dataclass(frozen=True)
class SegmentInfo:
    """One segment of a SEG: `value` is its number, and its value in the label map."""

    value: int
    label: str
    bone: str
    fragment: int | None
    category: Code
    type: Code
    region: Code
    laterality: Code | None
    tracking_uid: str
    rgb: tuple[int, int, int] = NO_COLOUR


def read_seg(path: Path) -> tuple[LabelMap, tuple[SegmentInfo, ...]]:
    """Reads the labels, on the evenly spaced grid of the frames present, and the segments.

    Raises UnreadableError, also if segments overlap: no rule says to which of them a voxel belongs.
    """
    dataset = _read(path)
    return _label_map(dataset, placement_of(dataset)), segments_of(dataset)


def read_seg_on(path: Path, grid: Grid) -> LabelMap:
    """Reads the labels on `grid`; raises UnreadableError if the frames do not lie on its slices."""
    dataset = _read(path)
    return _label_map(dataset, placement_on(dataset, grid))


def read_segments(path: Path) -> tuple[SegmentInfo, ...]:
    """Reads the described segments alone, without frames. Raises UnreadableError."""
    return segments_of(_read(path, only=("SegmentationType", "SegmentSequence")))


def segments_of(dataset: Dataset) -> tuple[SegmentInfo, ...]:
    """Returns the described segments, without the background (0) of a LABELMAP."""
    return tuple(_segment_info(item) for item in dataset.SegmentSequence if int(item.SegmentNumber) > 0)


def _read(path: Path, only: tuple[str, ...] | None = None) -> Dataset:
    try:
        dataset = dcmread(
            path, stop_before_pixels=only is not None, specific_tags=list(only) if only else None
        )
    except InvalidDicomError as error:
        raise UnreadableError(f"expected a DICOM SEG at {path.name}, got a file that is not DICOM") from error
    except (OSError, EOFError) as error:
        raise UnreadableError(f"expected a DICOM SEG at {path.name}, got: {reason(error)}") from error
    kind = dataset.get("SegmentationType")
    if kind not in FRAMES:
        raise UnreadableError(f"expected a BINARY or LABELMAP segmentation, got {kind or 'none'}")
    return dataset


def _segment_info(item: Dataset) -> SegmentInfo:
    bone, fragment = bone_and_fragment(str(item.get("TrackingID", item.SegmentLabel)))
    kind = code_of(item.SegmentedPropertyTypeCodeSequence[0])
    regions = item.get("AnatomicRegionSequence")
    side = side_of(item)
    return SegmentInfo(
        value=int(item.SegmentNumber),
        label=str(item.SegmentLabel),
        bone=bone,
        fragment=fragment,
        category=code_of(item.SegmentedPropertyCategoryCodeSequence[0]),
        type=kind,
        region=code_of(regions[0]) if regions else kind,
        laterality=None if side is None else code_of(side),
        tracking_uid=str(item.get("TrackingUID", "")),
        rgb=colour_of(item),
    )


def colour_of(item: Dataset) -> tuple[int, int, int]:
    """Returns the colour that a described segment is to be shown in."""
    cielab = item.get("RecommendedDisplayCIELabValue")
    return CIELabColor.from_dicom_value(cielab).to_rgb(clip=True) if cielab else NO_COLOUR


def _label_map(dataset: Dataset, placement: SegPlacement) -> LabelMap:
    highest = max(int(item.SegmentNumber) for item in dataset.SegmentSequence)
    planes = np.zeros(placement.grid.shape[::-1], dtype=np.uint8 if highest < 256 else np.uint16)
    frames = FRAMES[dataset.SegmentationType](dataset)
    labelled = 0
    for k, frame in zip(placement.slices, frames, strict=True):
        np.copyto(planes[k], frame, where=frame > 0, casting="unsafe")
        labelled += int(np.count_nonzero(frame))
    return LabelMap(without_overlap(planes, labelled).T, placement.grid)


def without_overlap(planes: NDArray[Scalar], labelled: int) -> NDArray[Scalar]:
    """Returns `planes`, into which that many voxels were written; raises UnreadableError if some coincide."""
    met = labelled - int(np.count_nonzero(planes))
    if met:
        raise UnreadableError(
            f"expected segments that do not overlap, got {met} voxels in more than one",
            code="overlapping_segments",
        )
    return planes


def _binary_frames(dataset: Dataset) -> Iterator[NDArray[np.unsignedinteger]]:
    """Yields each frame times its segment's number; frames are not padded to bytes (PS3.5 8.1.1)."""
    size = dataset.Rows * dataset.Columns
    packed = np.frombuffer(dataset.PixelData, dtype=np.uint8)
    for n, number in enumerate(_segment_numbers(dataset)):
        first, last = n * size // 8, -(-(n + 1) * size // 8)
        bits = np.unpackbits(packed[first:last], bitorder="little")[n * size % 8 :][:size]
        yield bits.reshape(dataset.Rows, dataset.Columns) * np.uint16(number)


def _segment_numbers(dataset: Dataset) -> list[int]:
    shared = dataset.SharedFunctionalGroupsSequence[0].get("SegmentIdentificationSequence")
    groups = dataset.PerFrameFunctionalGroupsSequence
    items = [shared or group.SegmentIdentificationSequence for group in groups]
    return [int(item[0].ReferencedSegmentNumber) for item in items]


def _labelled_frames(dataset: Dataset) -> Iterator[NDArray[np.unsignedinteger]]:
    frames = dataset.pixel_array
    yield from frames if frames.ndim == 3 else frames[np.newaxis]


FRAMES = {"BINARY": _binary_frames, "LABELMAP": _labelled_frames}
