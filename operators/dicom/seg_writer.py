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
from pydicom.uid import ExplicitVRLittleEndian
from pydicom.valuerep import DA, DT, TM

from operators.dicom.atomic_file import write_whole
from operators.dicom.identity import copy_identity, decoded, derived_uid, fingerprint, weights_serial
from operators.dicom.segment_descriptions import segment_description
from operators.dicom.series import Series
from operators.dicom.source_headers import slice_headers
from operators.dicom.source_references import name_source_frames
from operators.errors import UnsuitableError
from operators.imaging.packages import ModelPackage
from operators.imaging.segmentation import Segment, Segmentation
from operators.imaging.volume import LabelMap

SERIES_NUMBER = 9000  # high, so that it sorts after the scanner's own series
LONG_STRING = 64  # characters in a value of VR LO (PS3.5 6.2)
Planes = NDArray[np.unsignedinteger[Any]]
NOTICE = " (AI, not for diagnosis)"


def write_seg(
    segmentation: Segmentation,
    series: Series,
    path: Path,
    *,
    made_at: datetime,
    software_version: str,
    series_number: int = SERIES_NUMBER,
    revision: int = 1,
) -> Path:
    """Writes a BINARY SEG (PS3.3 A.51); raises OutputError, or UnsuitableError.

    A `revision` above 1 is told in the series' number and description: it replaces an earlier result.
    """
    number = series_number + revision - 1
    dataset = make_seg(segmentation, series, made_at, software_version, number, revision)
    if revision > 1:
        dataset.SeriesDescription = series_description(segmentation.package, f", replaces v{revision - 1}")
    return write_whole(path, partial(dataset.save_as, enforce_file_format=True))


def make_seg(
    segmentation: Segmentation, series: Series, made_at: datetime, software_version: str, series_number: int,
    revision: int = 1,
) -> DicomSegmentation:
    """The SEG of `segmentation`, not yet written; the same input gives the same UIDs."""
    if not (series.study_instance_uid and series.series_instance_uid):
        raise UnsuitableError(
            "expected a study and a series instance UID, got an empty one", code="missing_uid"
        )
    origin = fingerprint(series, segmentation.package, software_version)
    origin = "\n".join((origin, *map(str, segmentation.ways)))
    if revision > 1:
        origin = f"{origin}\nrevision {revision}"
    planes, filled = _labelled_planes(segmentation.label_map, series)
    segments = _segments_present(planes, segmentation.segments)
    _number_segments(planes, segments)
    header = decoded(series.header)
    headers = slice_headers(series, header, segmentation.label_map.grid)
    dataset = DicomSegmentation(
        source_images=[headers[n] for n in filled],
        further_source_images=[h for n, h in enumerate(headers) if n not in set(filled)],
        pixel_array=planes,
        segmentation_type="BINARY",
        segment_descriptions=[
            segment_description(number, segment, segmentation, origin)
            for number, segment in enumerate(segments, start=1)
        ],
        series_instance_uid=derived_uid("series", origin),
        sop_instance_uid=derived_uid("instance", origin),
        series_number=series_number,
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **_made_by(segmentation.package, made_at, software_version),
    )
    copy_identity(header, dataset)
    name_source_frames(dataset, series)
    _settle(dataset, origin, made_at)
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


def _made_by(package: ModelPackage, made_at: datetime, software_version: str) -> dict[str, Any]:
    day, hour = made_at.date(), made_at.time().replace(tzinfo=None)
    return {
        "manufacturer": "Osteon",
        "manufacturer_model_name": package.algorithm_name[:LONG_STRING],
        "software_versions": [software_version, f"{package.name} {package.version}"],
        "device_serial_number": weights_serial(package),
        "series_description": series_description(package),
        "content_description": "For research, not for diagnosis",
        "content_creator_name": "Osteon^Automatic",
        "content_label": "BONES",
        "content_qualification": "RESEARCH",
        "content_date": day,
        "content_time": hour,
        "series_date": day,
        "series_time": hour,
        "specific_character_set": "ISO_IR 192",
    }


def series_description(package: ModelPackage, remark: str = "") -> str:
    """The package's title, which is cut where all would not fit."""
    return package.title[: LONG_STRING - len(remark + NOTICE)] + remark + NOTICE


def _settle(dataset: DicomSegmentation, origin: str, made_at: datetime) -> None:
    """Replaces what highdicom took from the clock and from chance, and its padding."""
    dataset.InstanceCreationDate = DA(made_at.date())
    dataset.InstanceCreationTime = TM(made_at.time().replace(tzinfo=None))
    dataset.ContributingEquipmentSequence[-1].ContributionDateTime = DT(made_at)
    dimensions = derived_uid("dimensions", origin)
    size = -(-dataset.NumberOfFrames * dataset.Rows * dataset.Columns // 8)
    if size % 2:
        dataset.PixelData = dataset.PixelData[:size] + b"\0"  # PS3.5 8.1.1; highdicom 0.28 pads with "0"
    organizations: list[Dataset] = [*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence]
    for item in organizations:
        item.DimensionOrganizationUID = dimensions
