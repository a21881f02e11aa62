"""Reads an RT Structure Set into a label map on the grid of the series that it was drawn on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import RTStructureSetStorage

from operators.dicom.elements.attributes import VALUE_ERRORS, items
from operators.dicom.provenance.coded_concepts import code_of
from operators.dicom.seg.seg_reader import NO_COLOUR, SegmentInfo, without_overlap
from operators.dicom.seg.segment_descriptions import bone_and_fragment, side_of_type
from operators.errors import UnreadableError
from operators.geometry.contours import filled
from operators.geometry.volume import Grid, LabelMap
from operators.packages.structures import Code

ON_SLICE = 0.25  # of a slice spacing: a contour farther than this from any slice of the grid lies between two


def read_rtstruct(path: Path, grid: Grid) -> tuple[LabelMap, tuple[SegmentInfo, ...]]:
    """Reads regions as a label map on `grid`, numbered by their order, with their descriptions.

    Raises UnreadableError if regions overlap or lie off the grid's slices.
    """
    try:
        dataset = dcmread(path)
        if dataset.get("SOPClassUID") != RTStructureSetStorage:
            raise UnreadableError(f"expected an RT Structure Set at {path.name}, got another kind of file")
        return _label_map(dataset, grid), regions_of(dataset)
    except (InvalidDicomError, *VALUE_ERRORS) as error:
        raise UnreadableError(f"expected an RT Structure Set at {path.name}, got a malformed one") from error


def referenced_series(path: Path) -> str:
    """Returns the series instance UID of the images that it was drawn on, '' if it does not say."""
    dataset = dcmread(path, stop_before_pixels=True)
    for frame in items(dataset, "ReferencedFrameOfReferenceSequence"):
        for study in items(frame, "RTReferencedStudySequence"):
            for series in items(study, "RTReferencedSeriesSequence"):
                return str(series.SeriesInstanceUID)
    return ""


def regions_of(dataset: Dataset) -> tuple[SegmentInfo, ...]:
    """Returns the descriptions of the regions that have a contour."""
    drawn = _by_region(dataset, "ROIContourSequence")
    said = _by_region(dataset, "RTROIObservationsSequence")
    return tuple(
        _region(value, item, drawn[number], said.get(number, Dataset()))
        for number, (value, item) in _numbered(dataset).items()
        if items(drawn.get(number, Dataset()), "ContourSequence")
    )


def _numbered(dataset: Dataset) -> dict[int, tuple[int, Dataset]]:
    """Returns each region's label value and item by its number; values count from 1, as some count from 0."""
    regions = items(dataset, "StructureSetROISequence")
    return {int(item.ROINumber): (value, item) for value, item in enumerate(regions, start=1)}


def _by_region(dataset: Dataset, keyword: str) -> dict[int, Dataset]:
    return {int(item.ReferencedROINumber): item for item in items(dataset, keyword)}


def _region(value: int, item: Dataset, drawn: Dataset, said: Dataset) -> SegmentInfo:
    """Describes a region; its description holds the tracking identifier if Osteon wrote it."""
    name = str(item.get("ROIName") or "")
    bone, fragment = bone_and_fragment(str(item.get("ROIDescription") or name))
    coded = items(said, "RTROIIdentificationCodeSequence")
    kind = code_of(coded[0]) if coded else Code("", "", "")
    side = side_of_type(coded[0]) if coded else None
    red, green, blue = drawn.get("ROIDisplayColor") or NO_COLOUR
    return SegmentInfo(
        value=value,
        label=name,
        bone=bone,
        fragment=fragment,
        category=kind,
        type=kind,
        region=kind,
        laterality=None if side is None else code_of(side),
        tracking_uid="",
        rgb=(int(red), int(green), int(blue)),
    )


def _label_map(dataset: Dataset, grid: Grid) -> LabelMap:
    planes = np.zeros(grid.shape[::-1], dtype=np.uint16)
    regions = _numbered(dataset)
    drawn = 0
    for number, item in _by_region(dataset, "ROIContourSequence").items():
        for k, contours in _by_slice(item, grid).items():
            inside = filled(contours, grid.shape[:2]).T
            planes[k][inside] = regions[number][0]
            drawn += int(np.count_nonzero(inside))
    return LabelMap(without_overlap(planes, drawn).T, grid)


def _by_slice(item: Dataset, grid: Grid) -> dict[int, list[NDArray[np.float64]]]:
    slices: dict[int, list[NDArray[np.float64]]] = {}
    for points in _contours(item):
        indices = grid.to_ijk(points)
        k = round(float(indices[:, 2].mean()))
        off = float(np.abs(indices[:, 2] - k).max())
        if off > ON_SLICE or not 0 <= k < grid.shape[2]:
            raise UnreadableError(f"expected contours on slices of the series, got one {off:.2f} slices away")
        slices.setdefault(k, []).append(indices[:, :2])
    return slices


def _contours(item: Dataset) -> Iterator[NDArray[np.float64]]:
    """Yields the points (N, 3), LPS mm, of closed contours, as others enclose nothing (PS3.3 C.8.8.6)."""
    for contour in items(item, "ContourSequence"):
        if contour.ContourGeometricType in ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR"):
            yield np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)
