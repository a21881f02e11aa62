"""Writes a Segmentation as a DICOM SEG on the original slices of its series.

highdicom makes the object with one voxel a slice, so that every attribute is its own; `seg_encoding.py`
writes the frames of all segments from the one that highdicom made for each slice.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from highdicom.seg import Segmentation as DicomSegmentation
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders.base import get_encoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

from operators.dicom.elements.atomic_file import write_whole
from operators.dicom.headers.series import Series
from operators.dicom.provenance.identity import copy_identity, decode_texts
from operators.dicom.provenance.provenance import NOT_FOR_DIAGNOSIS, Provenance, equipment, mark
from operators.dicom.provenance.source_headers import slice_headers
from operators.dicom.provenance.source_references import name_sources, named_places
from operators.dicom.seg.fast.seg_encoding import encoded_groups, write_frames
from operators.dicom.seg.seg_frames import bit_frames, labelled_slices, planes, values_present
from operators.dicom.seg.segment_descriptions import segment_description
from operators.errors import UnsuitableError
from operators.geometry.volume import Grid, LabelMap, background
from operators.segmentation.segmentation import Segment, Segmentation

SERIES_NUMBER = 9000  # high, so that it is sorted after the scanner's own series
Write = Callable[[BinaryIO], object]
# Describes the values in use: voxels, the places of their slices, and their grid
MakeSeg = Callable[[Sequence[int], NDArray[np.uint8], list[int], Grid], DicomSegmentation]


def write_seg(
    segmentation: Segmentation, provenance: Provenance, path: Path, profile: str = "binary"
) -> Path:
    """Writes a SEG (PS3.3 A.51); `profile` is a row of PROFILES. Raises OutputError, or UnsuitableError."""
    return write_whole(path, PROFILES[profile](segmentation, provenance))


def _binary(segmentation: Segmentation, provenance: Provenance) -> Write:
    """Writes one bit a voxel and segment."""
    segments = {segment.value: segment for segment in segmentation.segments}

    def make(
        values: Sequence[int], voxels: NDArray[np.uint8], places: list[int], grid: Grid
    ) -> DicomSegmentation:
        return make_seg(voxels, [segments[value] for value in values], places, provenance, grid)

    return binary_frames(segmentation.label_map, list(segments), provenance.series, make)


def binary_frames(label_map: LabelMap, values: Sequence[int], series: Series, make: MakeSeg) -> Write:
    """Writes one bit a voxel for each used one of `values`, as `make` describes. Raises UnsuitableError."""
    slices = labelled_slices(label_map, series)
    frames = bit_frames(label_map, slices, values)
    present = _present(values, frames)
    places = sorted({frame.place for own in frames.values() for frame in own})
    dataset, order = _template(partial(make, present), places, series, label_map.grid)
    groups = dict(zip(order, encoded_groups(dataset), strict=True))
    del dataset.PerFrameFunctionalGroupsSequence, dataset.PixelData
    rank = {place: n for n, place in enumerate(order)}
    ordered = [sorted(frames[value], key=lambda each: rank[each.place]) for value in present]
    return partial(write_frames, template=dataset, groups=groups, frames=ordered)


def _label_map(segmentation: Segmentation, provenance: Provenance) -> Write:
    """Writes one value a voxel."""
    label_map = segmentation.label_map
    slices = labelled_slices(label_map, provenance.series)
    own = {segment.value: segment for segment in segmentation.segments}
    segments = [own[value] for value in _present(list(own), values_present(label_map, slices))]

    def make(voxels: NDArray[np.uint8], places: list[int], grid: Grid) -> DicomSegmentation:
        return make_seg(voxels, segments, places, provenance, grid, "labelmap")

    dataset, order = _template(make, list(slices), provenance.series, label_map.grid)
    in_order = planes(label_map, [slices[place] for place in order])
    numbers = segment_numbers(segments, label_map.labels.dtype)
    return encode_label_map(dataset, (numbers[plane] for plane in in_order))


def segment_numbers(segments: Sequence[Segment], values: np.dtype[Any]) -> NDArray[np.unsignedinteger[Any]]:
    """Returns the Segment Number of each label value, 0 without a segment; `values` is the labels' type."""
    numbers = background((np.iinfo(values).max + 1,), len(segments))
    numbers[[segment.value for segment in segments]] = np.arange(1, len(segments) + 1)
    return numbers


def encode_label_map(dataset: DicomSegmentation, frames: Iterable[NDArray[np.unsignedinteger[Any]]]) -> Write:
    """Returns `dataset` with `frames` of segment numbers, compressed."""
    # Chosen by name: GDCM, the default, aborts the process on frames of odd size (3.2.6)
    encode = partial(get_encoder(RLELossless).encode, encoding_plugin="pylibjpeg")
    options = as_pixel_options(dataset, number_of_frames=1)
    stored = f"u{dataset.BitsAllocated // 8}"
    dataset.PixelData = encapsulate([encode(frame.astype(stored), **options) for frame in frames])
    dataset["PixelData"].is_undefined_length, dataset["PixelData"].VR = True, "OB"  # PS3.5 A.4
    dataset.file_meta.TransferSyntaxUID = RLELossless
    return partial(dataset.save_as, enforce_file_format=True)


# PS3.3 C.8.20.2: all viewers read one bit a voxel and segment; one value a voxel is smaller, but needs
# viewers that support Label Map Segmentation Storage. Of its compressions dcmqi 1.5.7 reads only RLE.
PROFILES: dict[str, Callable[[Segmentation, Provenance], Write]] = {"binary": _binary, "labelmap": _label_map}


def _present(wanted: Sequence[int], values: Container[int]) -> tuple[int, ...]:
    """Returns the values in use; index + 1 becomes the Segment Number. Raises UnsuitableError for none."""
    present = tuple(value for value in wanted if value in values)
    if not present:
        raise UnsuitableError("expected at least one labelled voxel, got none", code="nothing_found")
    return present


def _template(
    make: Callable[[NDArray[np.uint8], list[int], Grid], DicomSegmentation],
    places: list[int],
    series: Series,
    grid: Grid,
) -> tuple[DicomSegmentation, list[int]]:
    """Returns a SEG of `grid` with segment 1 on each of the slices at `places`, and their order in it."""
    voxels = np.ones((len(places), 1, 1), np.uint8)
    dataset = make(voxels, places, replace(grid, shape=(1, 1, grid.shape[2])))
    dataset.Columns, dataset.Rows = grid.shape[:2]
    return dataset, named_places(dataset, series)


def make_seg(
    voxels: NDArray[np.uint8],
    segments: Sequence[Segment],
    places: list[int],
    provenance: Provenance,
    grid: Grid,
    profile: str = "binary",
) -> DicomSegmentation:
    """Builds highdicom's SEG of `voxels` (N, rows, columns): segment numbers on the slices at `places`.

    It is not compressed; `grid` is that of the voxels; the same input gives the same UIDs.
    """
    header = decode_texts(provenance.series.header)
    headers = slice_headers(provenance.series, header, grid)
    return assemble_seg(voxels, segments, [headers[n] for n in places], header, provenance, profile)


def assemble_seg(
    voxels: NDArray[np.unsignedinteger[Any]],
    segments: Sequence[Segment],
    sources: Sequence[Dataset],
    header: Dataset,
    provenance: Provenance,
    profile: str,
    content_label: str = "BONES",
) -> DicomSegmentation:
    """Builds highdicom's SEG of `voxels` on the images `sources`; `header` is the series' decoded header."""
    series = provenance.series
    identity = [] if profile == "binary" else [profile]
    dataset = DicomSegmentation(
        source_images=sources,
        pixel_array=voxels,
        segmentation_type=profile.upper(),
        segment_descriptions=[
            segment_description(number, segment, provenance)
            for number, segment in enumerate(segments, start=1)
        ],
        series_instance_uid=provenance.uid("series", *identity),
        sop_instance_uid=provenance.uid("instance", *identity),
        series_number=provenance.series_number(SERIES_NUMBER),
        series_description=provenance.description("segments"),
        instance_number=1,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **equipment(provenance),
        **content_attributes(provenance.made_at, content_label),
    )
    copy_identity(header, dataset)
    # PixelPaddingValue marks the background (Supplement 243); highdicom describes it as a segment too, with
    # which OHIF 3.13.2 shifts all colours by one
    dataset.SegmentSequence = [item for item in dataset.SegmentSequence if item.SegmentNumber > 0]
    name_sources(dataset, series)
    mark(dataset, provenance)
    name_dimensions(dataset, provenance.uid("dimensions", *identity))
    return dataset


def content_attributes(made_at: datetime, label: str, creator: str = "Osteon^Automatic") -> dict[str, Any]:
    """Returns highdicom's arguments that say what a SEG holds, who made it and when."""
    day, hour = made_at.date(), made_at.time().replace(tzinfo=None)
    return {
        "content_description": NOT_FOR_DIAGNOSIS,
        "content_creator_name": creator,
        "content_label": label,
        "content_date": day,
        "content_time": hour,
        "series_date": day,
        "series_time": hour,
        "specific_character_set": "ISO_IR 192",
    }


def name_dimensions(dataset: DicomSegmentation, uid: UID) -> None:
    """Replaces the random UIDs that highdicom generated."""
    organizations: list[Dataset] = [*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence]
    for item in organizations:
        item.DimensionOrganizationUID = uid
