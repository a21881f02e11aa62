"""Whose images these are, and the UIDs of what is made from them."""

from __future__ import annotations

import hashlib
import uuid
from copy import deepcopy

from highdicom.base import SOPClass
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.uid import UID, CTImageStorage

from operators.dicom.attributes import hint
from operators.dicom.series import Series
from operators.dicom.versions import EXAMINATION, PATIENT
from operators.imaging.packages import ModelPackage

# PS3.6: identifying, patient, clinical trial, acquisition, relationship, image, study, visit.
KEPT_GROUPS = frozenset((0x0008, 0x0010, 0x0012, 0x0018, 0x0020, 0x0028, 0x0032, 0x0038))

# Sequences that say who the patient is and under which number; others often come damaged from anonymisers.
KEPT_SEQUENCES = (
    "IssuerOfPatientIDQualifiersSequence",
    "OtherPatientIDsSequence",
    "DeidentificationMethodCodeSequence",
    "IssuerOfAccessionNumberSequence",
)

# PS3.3 C.7.3.1, 10.5: of which paired part of the body a series is, or an image
SIDE = ("Laterality", "ImageLaterality")

# Type 2 in the Patient and General Study modules (PS3.3 C.7.1.1, C.7.2.1): present, perhaps empty.
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
    """A UID that is the same for the same parts (PS3.5 B.2: 2.25 and a UUID as an integer)."""
    name = "\n".join(("osteon", *parts))
    return UID(f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, name).int}")


def fingerprint(series: Series, package: ModelPackage, software_version: str) -> str:
    """What decides a result: the source's instances, the weights and the versions."""
    instances = sorted(f"{frame.sop_instance_uid} {frame.frame_number or 1}" for frame in series.frames)
    weights = [network.sha256 for network in package.networks]
    return "\n".join((package.name, package.version, software_version, *weights, *instances))


def side_of(header: Dataset) -> str:
    """Left or right, where the source says it."""
    return next(filter(None, (hint((header,), keyword) for keyword in SIDE)), "")


def whose(header: Dataset) -> str:
    """A checksum of patient, examination and side: results of corrected data are other objects."""
    texts = [hint((decoded(header),), keyword) for keyword in (*PATIENT, *EXAMINATION, *SIDE)]
    return hashlib.sha256("\n".join(texts).encode("utf-8", "replace")).hexdigest()


def weights_serial(package: ModelPackage) -> str:
    """A device serial number that changes with the weights."""
    return uuid.uuid5(uuid.NAMESPACE_OID, "\n".join(n.sha256 for n in package.networks)).hex


def decoded(header: Dataset) -> Dataset:
    """A copy of `header`, but for its frames, whose text is decoded with its own SpecificCharacterSet."""
    copied = Dataset()
    tags = list(header.keys())
    copied.update({tag: deepcopy(header[tag]) for tag in tags if tag.group in KEPT_GROUPS})
    copied.decode()
    for element in list(copied):
        if not _worth_copying(element):
            del copied[element.tag]
    if not ("DeidentificationMethod" in copied or "DeidentificationMethodCodeSequence" in copied):
        copied.pop("PatientIdentityRemoved", None)  # PS3.3 C.7.1.1: one of the two must go with it
    copied.SOPInstanceUID = ""
    copied.SOPClassUID = CTImageStorage  # highdicom looks up by it which attributes are the patient's
    return copied


def _worth_copying(element: DataElement) -> bool:
    if element.VR == "SQ":
        return element.keyword in KEPT_SEQUENCES and bool(element.value)
    return not element.is_empty or element.keyword in REQUIRED_PERHAPS_EMPTY


def copy_identity(source: Dataset, result: SOPClass) -> None:
    """Takes patient and study from `source` as they stand; what it lacks stays empty, never invented."""
    result.copy_patient_and_study_information(source)
    for keyword in REQUIRED_PERHAPS_EMPTY:
        if keyword not in source:
            setattr(result, keyword, "")
    if side := side_of(source):
        result.Laterality = side
