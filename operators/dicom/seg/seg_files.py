"""Recognises DICOM files that hold segments."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import RTStructureSetStorage

from operators.dicom.elements.attributes import items
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.seg.seg_geometry import is_on_one_projection

# PS3.4 B.5: Segmentation Storage and Label Map Segmentation Storage.
SEG_SOP_CLASS_UIDS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


def is_seg(path: Path) -> bool:
    """Whether the file is a DICOM instance of one of the label-carrying SEG classes."""
    return _sop_class_uid(path) in SEG_SOP_CLASS_UIDS


def is_projection_seg(path: Path) -> bool:
    """Whether the file is a SEG of one radiograph."""
    if not is_seg(path):
        return False
    try:
        return is_on_one_projection(dcmread(path, stop_before_pixels=True))
    except READ_ERRORS:
        return False


def is_rtstruct(path: Path) -> bool:
    """Whether the file is a DICOM RT Structure Set."""
    return _sop_class_uid(path) == RTStructureSetStorage


def referenced_series(path: Path) -> str:
    """Returns the series instance UID of the images that a SEG was made from, '' if it does not say."""
    try:
        dataset = dcmread(path, stop_before_pixels=True)
        series = items(dataset, "ReferencedSeriesSequence")
    except READ_ERRORS:
        return ""
    return str(series[0].get("SeriesInstanceUID", "")) if series else ""


def referenced_instances(path: Path) -> frozenset[str]:
    """Returns the SOP instance UIDs of the images that a SEG was made from; none if it does not say."""
    try:
        dataset = dcmread(path, stop_before_pixels=True)
        series = items(dataset, "ReferencedSeriesSequence")
        named = [each for one in series for each in items(one, "ReferencedInstanceSequence")]
    except READ_ERRORS:
        return frozenset()
    return frozenset(str(each.get("ReferencedSOPInstanceUID", "")) for each in named)


def _sop_class_uid(path: Path) -> str:
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except (InvalidDicomError, OSError, EOFError):
        return ""
    return str(dataset.get("SOPClassUID", ""))
