"""Copies the patient and study of the images, and derives the UIDs of results."""

from __future__ import annotations

import hashlib
import uuid

from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage

from operators.dicom.elements.attributes import hint
from operators.dicom.headers.anatomy import laterality
from operators.dicom.headers.series import Series
from operators.dicom.pixels.version_differences import EXAMINATION, PATIENT
from operators.dicom.provenance.conforming import conforming_header
from operators.packages.packages import ModelPackage

# PS3.3 C.7.3.1, 10.5: the paired part of the body that a series or an image shows
SIDE = ("Laterality", "ImageLaterality")
# The values that Laterality may have (PS3.3 C.7.3.1): a series shows one side of a pair
LATERALITY = {"left": "L", "right": "R"}

# Type 2 in the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1): present, possibly empty.
REQUIRED_PERHAPS_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)


def derived_uid(*parts: str) -> UID:
    """Returns a UID that is the same for the same parts (PS3.5 B.2: 2.25 and a UUID as an integer)."""
    name = "\n".join(("osteon", *parts))
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}")


def fingerprint(series: Series, package: ModelPackage, software_version: str) -> str:
    """Returns a text of everything that determines a result: source, weights, options and versions."""
    instances = sorted(f"{frame.sop_instance_uid} {frame.frame_number or 1}" for frame in series.frames)
    weights = [network.sha256 for network in package.networks]
    versions = (package.name, package.version, software_version)
    return "\n".join((*versions, *weights, *package.options, *instances))


def side_of(header: Dataset) -> str:
    """Returns L or R, as a decoded source header states it; '' if it states neither, or both."""
    return LATERALITY.get(laterality((header,)), "")


def whose(header: Dataset) -> str:
    """Returns a checksum of patient, examination and side: results of corrected data get other UIDs."""
    sources = (decode_texts(header),)
    texts = [hint(sources, keyword) for keyword in (*PATIENT, *EXAMINATION, *SIDE)]
    return hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()


def weights_serial(package: ModelPackage) -> str:
    """Returns a device serial number that changes with the weights."""
    return uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(n.sha256 for n in package.networks)).hex


def decode_texts(header: Dataset) -> Dataset:
    """Returns a copy of `header` for results: decoded, with values that conform (see `conforming.py`)."""
    copied = conforming_header(header).dataset
    if not ("DeidentificationMethod" in copied or "DeidentificationMethodCodeSequence" in copied):
        copied.pop("PatientIdentityRemoved", None)  # PS3.3 C.7.1.1: it requires one of the two
    copied.SOPInstanceUID = ""
    copied.SOPClassUID = CTImageStorage  # highdicom uses it to find the patient's attributes
    return copied


def copy_identity(source: Dataset, result: SOPClass) -> None:
    """Copies patient and study from `source` unchanged; missing values stay empty and are never invented."""
    result.copy_patient_and_study_information(source)
    for keyword in REQUIRED_PERHAPS_EMPTY:
        if keyword not in source:
            setattr(result, keyword, "")
    if side := side_of(source):
        result.Laterality = side
