"""Differences between two versions of one instance: the image, whose it is, or nothing that matters."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydicom.datadict import keyword_for_tag
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from operators.dicom.elements.attributes import hint
from operators.dicom.headers.headers import READ_ERRORS, Header, read_header
from operators.dicom.pixels.pixel_digest import has_same_pixels
from operators.errors import TransientError, UnreadableError

# PS3.3 C.7.1.1, C.7.2.1, C.7.3.1: whose images these are, of which examination, and of which side
PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
EXAMINATION = ("StudyID", "StudyDate", "StudyTime", "AccessionNumber")
SERIES = ("Laterality", "ImageLaterality", "BodyPartExamined", "SeriesDescription", "SeriesNumber")
# What else results carry or a series is chosen by, beside all of the groups of patient, trial and visit
_DESCRIPTION = {
    int(Tag(keyword))
    for keyword in (
        *EXAMINATION, *SERIES, "ReferringPhysicianName", "StudyDescription", "ProtocolName",
        "AnatomicRegionSequence", "IssuerOfAccessionNumberSequence",
    )
}  # fmt: skip
_PATIENT_GROUPS = frozenset((0x0010, 0x0012, 0x0032, 0x0038))
# What voxels, their places and their meaning depend on: acquisition, relationship, image, frames
_IMAGE_GROUPS = frozenset((0x0018, 0x0020, 0x0028, 0x5200, 0x7FE0))
_IMAGE = {int(Tag(keyword)) for keyword in ("SOPClassUID", "ImageType", "Modality")}
# Attributes of these groups that change nothing of it: how it is shown, who handled it, where it is filed
_NO_MATTER = {
    int(Tag(keyword))
    for keyword in (
        "WindowCenter", "WindowWidth", "WindowCenterWidthExplanation", "VOILUTFunction", "BurnedInAnnotation",
        "RecognizableVisualFeatures", "ContributingEquipmentSequence", "DeviceSerialNumber",
        "SoftwareVersions", "DeviceUID", "DateOfLastCalibration", "TimeOfLastCalibration", "ImageComments",
        "NumberOfStudyRelatedInstances", "NumberOfSeriesRelatedInstances", "NumberOfStudyRelatedSeries",
        "ImagesInAcquisition", "StudyInstanceUID", "SeriesInstanceUID",
    )
}  # fmt: skip
_PIXEL_DATA = Tag("PixelData")


@dataclass(frozen=True)
class Difference:
    """Keywords of attributes that two versions do not share; of neither any value.

    `image`: the voxels or what they mean; `description`: patient, examination, series; all others make no
    difference to a result and are not named.
    """

    image: tuple[str, ...]
    description: tuple[str, ...]


@dataclass(frozen=True)
class Belonging:
    """Checksums of whose an instance is: of the patient, with the examination, and with the series."""

    series_instance_uid: str
    sop_class_uid: str
    patient: str
    examination: str
    series: str


def belonging(path: Path) -> Belonging:
    """Raises UnreadableError, OSError."""
    dataset = required_header(path).dataset
    patient, examination, series = (
        checksum(dataset, keywords)
        for keywords in (PATIENT, (*PATIENT, *EXAMINATION), (*PATIENT, *EXAMINATION, *SERIES))
    )
    return Belonging(
        hint((dataset,), "SeriesInstanceUID"), hint((dataset,), "SOPClassUID"), patient, examination, series
    )


def required_header(path: Path) -> Header:
    """Raises UnreadableError for a file that is no DICOM instance, OSError for one that cannot be opened."""
    try:
        header = read_header(path)
    except (UnreadableError, TransientError) as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise
    if header is None:
        raise UnreadableError("expected a DICOM instance, got none")
    return header


def checksum(dataset: Dataset, keywords: tuple[str, ...]) -> str:
    """Returns a checksum that is equal for equal values, however they are encoded."""
    dataset.decode()
    text = "\n".join(hint((dataset,), keyword) for keyword in keywords)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def difference(current: Path, other: Path) -> Difference:
    """Compares two versions of an instance. Raises UnreadableError, OSError."""
    one, two = required_header(current), required_header(other)
    first, second = one.dataset, two.dataset
    try:
        tags = [tag for tag in sorted({*first.keys(), *second.keys()}) if not is_same(first, second, tag)]
        if not has_same_pixels(one, current, two, other):
            tags.append(_PIXEL_DATA)
    except READ_ERRORS as error:
        raise UnreadableError("expected two versions of an instance, got a damaged one") from error
    return Difference(
        tuple(dict.fromkeys(name(tag) for tag in tags if is_of_image(tag))),
        tuple(dict.fromkeys(name(tag) for tag in tags if is_description(tag))),
    )


def is_description(tag: BaseTag) -> bool:
    """Whether an attribute says whose an image is, or is one that a series is chosen by."""
    return tag.group in _PATIENT_GROUPS or int(tag) in _DESCRIPTION


def is_of_image(tag: BaseTag) -> bool:
    """Whether a segmentation may depend on an attribute."""
    if int(tag) in _IMAGE:
        return True
    return tag.group in _IMAGE_GROUPS and not is_description(tag) and int(tag) not in _NO_MATTER


def name(tag: BaseTag) -> str:
    """Its keyword; its number where the standard has none."""
    return keyword_for_tag(tag) or f"{tag.group:04X},{tag.element:04X}"


def is_same(first: Dataset, second: Dataset, tag: BaseTag) -> bool:
    """Whether both hold the same value; group lengths are none."""
    if tag.element == 0 or (not is_of_image(tag) and not is_description(tag)):
        return True
    if tag not in first or tag not in second:
        return False
    one, other = first.get_item(tag), second.get_item(tag)
    if one.value == other.value and one.VR == other.VR and has_same_charset(first, second):
        return True
    return bool(first[tag].value == second[tag].value)


def has_same_charset(first: Dataset, second: Dataset) -> bool:
    """Whether the same bytes are the same text in both."""
    return bool(first.get("SpecificCharacterSet") == second.get("SpecificCharacterSet"))
