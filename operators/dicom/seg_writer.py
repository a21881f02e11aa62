"""Writes a Segmentation as a DICOM SEG on the original slices of its series."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from highdicom.seg import Segmentation as DicomSegmentation
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from operators.dicom.atomic_file import write_whole
from operators.dicom.identity import copy_identity, decoded
from operators.dicom.markings import NOT_FOR_DIAGNOSIS, Making, equipment, mark
from operators.dicom.segment_descriptions import segment_description
from operators.dicom.series import Series
from operators.dicom.source_headers import slice_headers
from operators.dicom.source_references import name_source_frames
from operators.errors import UnsuitableError
from operators.imaging.segmentation import Segment, Segmentation
from operators.imaging.volume import LabelMap

SERIES_NUMBER = 9000  # high, so that it sorts after the scanner's own series
# PS3.3 C.8.20.2: one bit a voxel and segment opens everywhere; one value a voxel is smaller, but needs
# viewers that know Label Map Segmentation Storage. Of its compressions dcmqi 1.5.7 reads RLE alone.
PROFILES = {"binary": "BINARY", "labelmap": "LABELMAP"}
Planes = NDArray[np.unsignedinteger[Any]]


def write_seg(segmentation: Segmentation, making: Making, path: Path, *, profile: str = "binary") -> Path:
    """Writes a SEG (PS3.3 A.51); `profile` is a row of PROFILES. Raises OutputError, or UnsuitableError."""
    dataset = make_seg(segmentation, making, profile)
    return write_whole(path, partial(dataset.save_as, enforce_file_format=True))


def make_seg(segmentation: Segmentation, making: Making, profile: str) -> DicomSegmentation:
    """The SEG of `segmentation`, not yet written; the same input gives the same UIDs."""
    series = making.series
    identity = [] if profile == "binary" else [profile]
    instance_uid = making.uid("instance", *identity)
    planes, filled = _labelled_planes(segmentation.label_map, series)
    segments = _segments_present(planes, segmentation.segments)
    _number_segments(planes, segments)
    header = decoded(series.header)
    headers = slice_headers(series, header, segmentation.label_map.grid)
    dataset = DicomSegmentation(
        source_images=[headers[n] for n in filled],
        further_source_images=[h for n, h in enumerate(headers) if n not in set(filled)],
        pixel_array=planes,
        segmentation_type=PROFILES[profile],
        segment_descriptions=[
            segment_description(number, segment, making)
            for number, segment in enumerate(segments, start=1)
        ],
        series_instance_uid=making.uid("series", *identity),
        sop_instance_uid=instance_uid,
        series_number=making.series_number(SERIES_NUMBER),
        series_description=making.description("segments"),
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **equipment(making),
        **_content(making.made_at),
    )
    copy_identity(header, dataset)
    # PixelPaddingValue says what is background (Supplement 243); highdicom makes it a segment too, and OHIF
    # 3.13.2 then shifts all colours by one
    dataset.SegmentSequence = [item for item in dataset.SegmentSequence if item.SegmentNumber > 0]
    name_source_frames(dataset, series)
    mark(dataset, making)
    _settle(dataset, making.uid("dimensions", *identity))
    return dataset


def _labelled_planes(label_map: LabelMap, series: Series) -> tuple[Planes, list[int]]:
    """The original slices (N, rows, columns) that hold a label, and their places among the frames."""
    labels = label_map.labels
    labelled: NDArray[np.bool_] = np.any(labels, axis=(0, 1))
    indices = [min(max(round(frame.k), 0), len(labelled) - 1) for frame in series.frames]
    filled = [n for n, k in enumerate(indices) if labelled[k]]
    if not filled:
        raise UnsuitableError("expected at least one labelled voxel, got none", code="nothing_found")
    planes = np.empty((len(filled), *labels.shape[1::-1]), dtype=labels.dtype)
    for j in range(labels.shape[1]):
        planes[:, j, :] = labels[:, j, [indices[n] for n in filled]].T
    return planes, filled


def _segments_present(planes: Planes, segments: Sequence[Segment]) -> tuple[Segment, ...]:
    return tuple(segment for segment in segments if np.any(planes == segment.value))


def _number_segments(planes: Planes, segments: Sequence[Segment]) -> None:
    """Replaces each label value by its segment number in place, 1 to n (PS3.3 C.8.20.2)."""
    numbers = np.zeros(np.iinfo(planes.dtype).max + 1, dtype=planes.dtype)
    for number, segment in enumerate(segments, start=1):
        numbers[segment.value] = number
    for plane in planes:
        plane[...] = numbers[plane]


def _content(made_at: datetime) -> dict[str, Any]:
    day, hour = made_at.date(), made_at.time().replace(tzinfo=None)
    return {
        "content_description": NOT_FOR_DIAGNOSIS,
        "content_creator_name": "Osteon^Automatic",
        "content_label": "BONES",
        "content_date": day,
        "content_time": hour,
        "series_date": day,
        "series_time": hour,
        "specific_character_set": "ISO_IR 192",
    }


def _settle(dataset: DicomSegmentation, dimensions: UID) -> None:
    """Replaces what highdicom took from chance, and its padding; compresses what is worth it."""
    size = -(-dataset.NumberOfFrames * dataset.Rows * dataset.Columns // 8)
    if dataset.SegmentationType == "LABELMAP":
        # By name: GDCM, which would come first, aborts the process on frames of odd size (3.2.6)
        dataset.compress(RLELossless, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    elif size % 2:
        dataset.PixelData = dataset.PixelData[:size] + b"\0"  # PS3.5 8.1.1; highdicom 0.28 pads with "0"
    organizations: list[Dataset] = [*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence]
    for item in organizations:
        item.DimensionOrganizationUID = dimensions
