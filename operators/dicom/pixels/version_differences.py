"""Compares two versions of an instance: the image may differ, the patient data, or nothing that matters."""

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

# PS3.3 C.7.1.1, C.7.2.1, C.7.3.1: attributes that identify the patient, the examination and the side
PATIENT = ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex")
EXAMINATION = ("StudyID", "StudyDate", "StudyTime", "AccessionNumber")
SERIES = ("Laterality", "ImageLaterality", "BodyPartExamined", "SeriesDescription", "SeriesNumber")
# Other attributes that results carry or that a series is chosen by, besides all in the groups of patient,
# trial and visit
_DESCRIPTION = {
    int(Tag(keyword))
    for keyword in (
        *EXAMINATION, *SERIES, "ReferringPhysicianName", "StudyDescription", "ProtocolName",
        "AnatomicRegionSequence", "IssuerOfAccessionNumberSequence",
    )
}  # fmt: skip
_PATIENT_GROUPS = frozenset((0x0010, 0x0012, 0x0032, 0x0038))
# Groups on which voxels, their positions and their meaning depend: acquisition, relationship, image, frames
_IMAGE_GROUPS = frozenset((0x0018, 0x0020, 0x0028, 0x5200, 0x7FE0))
_IMAGE = {int(Tag(keyword)) for keyword in ("SOPClassUID", "ImageType", "Modality")}
# Attributes of these groups without effect on a result: how it is shown, who handled it, where it is filed
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
    """Keywords of attributes whose values differ between two versions, without the values.

    `image` holds those of the voxels or their meaning, `description` those of patient, examination and
    series. Other attributes make no difference to a result and are not listed.
    """

    image: tuple[str, ...]
    description: tuple[str, ...]


@dataclass(frozen=True)
class Belonging:
    """Checksums of an instance's patient, of its patient and examination, and of these and its series."""

    series_instance_uid: str
    sop_class_uid: str
    patient: str
    examination: str
    series: str


def belonging(path: Path) -> Belonging:
    """Reads the checksums of a file. Raises UnreadableError, OSError."""
    dataset = required_header(path).dataset
    patient, examination, series = (
        checksum(dataset, keywords)
        for keywords in (PATIENT, (*PATIENT, *EXAMINATION), (*PATIENT, *EXAMINATION, *SERIES))
    )
    return Belonging(
        hint((dataset,), "SeriesInstanceUID"), hint((dataset,), "SOPClassUID"), patient, examination, series
    )


def required_header(path: Path) -> Header:
    """Reads a header. Raises UnreadableError if it is no DICOM instance, OSError if it cannot be opened."""
    try:
        header = read_header(path)
    except (UnreadableError, TransientError) as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        raise
    if header is None:
        raise UnreadableError("expected a DICOM instance, got another file")
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
        raise UnreadableError("expected two readable versions of an instance, got a damaged one") from error
    return Difference(
        tuple(dict.fromkeys(name(tag) for tag in tags if is_of_image(tag))),
        tuple(dict.fromkeys(name(tag) for tag in tags if is_description(tag))),
    )


def is_description(tag: BaseTag) -> bool:
    """Returns whether an attribute identifies the patient, or is one by which series are chosen."""
    return tag.group in _PATIENT_GROUPS or int(tag) in _DESCRIPTION


def is_of_image(tag: BaseTag) -> bool:
    """Returns whether a segmentation may depend on an attribute."""
    if int(tag) in _IMAGE:
        return True
    return tag.group in _IMAGE_GROUPS and not is_description(tag) and int(tag) not in _NO_MATTER


def name(tag: BaseTag) -> str:
    """Returns an attribute's keyword, or its number if the standard has none."""
    return keyword_for_tag(tag) or f"{tag.group:04X},{tag.element:04X}"


def is_same(first: Dataset, second: Dataset, tag: BaseTag) -> bool:
    """Returns whether both hold the same value; group lengths are ignored."""
    if tag.element == 0 or (not is_of_image(tag) and not is_description(tag)):
        return True
    if tag not in first or tag not in second:
        return False
    one, other = first.get_item(tag), second.get_item(tag)
    # The same bytes are the same text only in the same character set
    same_charset = first.get("SpecificCharacterSet") == second.get("SpecificCharacterSet")
    if one.value == other.value and one.VR == other.VR and same_charset:
        return True
    return bool(first[tag].value == second[tag].value)
