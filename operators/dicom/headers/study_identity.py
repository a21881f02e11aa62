"""Reads who and which study the images of a folder are of, for messages about them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue

from operators.errors import OutputError

# PS3.3 C.7.1.1 and C.7.2.1, in the order of StudyIdentity after the name
TAGS = (
    "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyDate",
    "StudyTime", "AccessionNumber", "StudyDescription",
)  # fmt: skip
UNREADABLE = (InvalidDicomError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError)


@dataclass(frozen=True)
class StudyIdentity:
    """Patient and study as in the images, '' where they say nothing.

    `name` has family, given and middle names, prefix and suffix (PS3.5 6.2.1.2); dates and times are DICOM's.
    """

    name: tuple[str, str, str, str, str]
    patient_id: str
    issuer: str
    birth_date: str
    sex: str
    study_instance_uid: str
    study_date: str
    study_time: str
    accession_number: str
    description: str


def study_identity(folder: Path) -> StudyIdentity:
    """Returns the identity in any one file below `folder`; all files of a job agree on it.

    Raises OutputError if there is no readable file.
    """
    try:
        path = next(folder.rglob("*.dcm"))
        dataset = dcmread(path, specific_tags=["PatientName", *TAGS], stop_before_pixels=True)
        dataset.decode()
        return StudyIdentity(name_of(dataset), *(text_of(dataset, tag) for tag in TAGS))
    except (StopIteration, *UNREADABLE) as error:
        raise OutputError("expected readable images of the study, got none", code="altered") from error


def text_of(dataset: Dataset, tag: str) -> str:
    """Returns a value as text on one line; several values with the separator between them."""
    value = dataset.get(tag) or ""
    several = isinstance(value, MultiValue)
    return " ".join(("\\".join(map(str, value)) if several else str(value)).split())


def name_of(dataset: Dataset) -> tuple[str, str, str, str, str]:
    """Returns the components of the first group of the patient's name that is there."""
    groups = text_of(dataset, "PatientName").split("=")
    family, given, middle, prefix, suffix = (*next(filter(None, groups), "").split("^"), *[""] * 5)[:5]
    return family, given, middle, prefix, suffix


def patient_of(folder: Path) -> dict[str, str]:
    """Returns patient_name, patient_id and accession_number of any one file below `folder`, '' if unknown."""
    tags = {"patient_name": "PatientName", "patient_id": "PatientID", "accession_number": "AccessionNumber"}
    try:
        dataset = dcmread(
            next(folder.rglob("*.dcm")), specific_tags=[*tags.values()], stop_before_pixels=True
        )
        return {name: str(dataset.get(tag, "") or "").strip() for name, tag in tags.items()}
    except (StopIteration, *UNREADABLE):
        return dict.fromkeys(tags, "")
