"""Recognises DICOM files that hold segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import RTStructureSetStorage

from operators.dicom.elements.attributes import items
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.seg.seg_geometry import is_on_one_projection
from operators.errors import UnreadableError

# PS3.4 B.5: Segmentation Storage and Label Map Segmentation Storage.
SEG_SOP_CLASS_UIDS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


def is_seg(path: Path) -> bool:
    """Returns whether the file is a DICOM instance of one of the label-carrying SEG classes."""
    return _sop_class_uid(path) in SEG_SOP_CLASS_UIDS


def is_projection_seg(path: Path) -> bool:
    """Returns whether the file is a SEG of one radiograph."""
    if not is_seg(path):
        return False
    try:
        return is_on_one_projection(dcmread(path, stop_before_pixels=True))
    except READ_ERRORS:
        return False


def is_rtstruct(path: Path) -> bool:
    """Returns whether the file is a DICOM RT Structure Set."""
    return _sop_class_uid(path) == RTStructureSetStorage


def referenced_series(path: Path) -> str:
    """Returns the series instance UID of the images that a SEG was made from, '' if it does not say."""
    series = _referenced(path)
    return str(series[0].get("SeriesInstanceUID", "")) if series else ""


def referenced_instances(path: Path) -> frozenset[str]:
    """Returns the SOP instance UIDs of the images that a SEG was made from; none if it does not say."""
    named = (each for one in _referenced(path) for each in items(one, "ReferencedInstanceSequence"))
    return frozenset(str(each.get("ReferencedSOPInstanceUID", "")) for each in named)


def _referenced(path: Path) -> tuple[Dataset, ...]:
    """Returns the series that a SEG refers to; none if it does not say."""
    try:
        return items(dcmread(path, stop_before_pixels=True), "ReferencedSeriesSequence")
    except READ_ERRORS:
        return ()


@dataclass(frozen=True)
class SegIdentity:
    """What tells whether one SEG was made from another: `names` are those of its segments, `sources` the
    instances that it refers to, `creator` who made it.
    """

    sop_instance_uid: str
    series: frozenset[str]
    tracking_uids: frozenset[str]
    names: frozenset[str]
    sources: frozenset[str]
    creator: str

    def is_made_from(self, other: SegIdentity) -> bool:
        """Returns whether this SEG refers to the other, follows its segments, or names them on its images.

        Not every program keeps the tracking UIDs of what was edited in it.
        """
        if self.sop_instance_uid == other.sop_instance_uid:
            return False
        is_tracked = bool(self.tracking_uids & other.tracking_uids)
        is_alike = bool(self.series & other.series) and bool(self.names & other.names)
        return is_tracked or is_alike or other.sop_instance_uid in self.sources


IDENTITY = (
    "SOPInstanceUID",
    "SegmentSequence",
    "ReferencedSeriesSequence",
    "SourceImageSequence",
    "ReferencedInstanceSequence",
    "ContentCreatorName",
)


def read_identity(path: Path) -> SegIdentity:
    """Reads what identifies a SEG. Raises UnreadableError."""
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(IDENTITY))
        segments = items(dataset, "SegmentSequence")
        series = items(dataset, "ReferencedSeriesSequence")
        within = [each for one in series for each in items(one, "ReferencedInstanceSequence")]
        sources = (
            *within,
            *items(dataset, "SourceImageSequence"),
            *items(dataset, "ReferencedInstanceSequence"),
        )
        return SegIdentity(
            str(dataset.get("SOPInstanceUID", "")),
            frozenset(str(each.get("SeriesInstanceUID", "")) for each in series),
            _texts(segments, "TrackingUID"),
            _texts(segments, "TrackingID") | _texts(segments, "SegmentLabel"),
            _texts(sources, "ReferencedSOPInstanceUID"),
            str(dataset.get("ContentCreatorName", "")),
        )
    except READ_ERRORS as error:
        raise UnreadableError("expected a DICOM SEG, got a file that is damaged or none") from error


def _texts(of: Sequence[Dataset], keyword: str) -> frozenset[str]:
    return frozenset(str(each.get(keyword, "")) for each in of) - {""}


def _sop_class_uid(path: Path) -> str:
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except (InvalidDicomError, OSError, EOFError):
        return ""
    return str(dataset.get("SOPClassUID", ""))
