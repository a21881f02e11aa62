"""Reads a written result back before it is sent, to check that it is readable and of the right patient."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.elements.attributes import text
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.identity import decode_texts
from operators.errors import OutputError

# PS3.3 C.7.1.1, C.7.2.1: attributes that identify the patient and the study.
IDENTITY = (
    "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex",
    "StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber",
)  # fmt: skip


@dataclass(frozen=True)
class ResultName:
    """The UIDs of a result that are announced to a peer before it is sent."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


def check_result(path: Path, series: Series) -> ResultName:
    """Reads a result back. Raises OutputError if it is unreadable, or of another patient or study."""
    try:
        dataset = dcmread(path)
        dataset.decode()
    except READ_ERRORS as error:
        raise unlike("a result that can be read back", "one that cannot") from error
    return checked(dataset, series)


def checked(result: Dataset, series: Series) -> ResultName:
    """Returns a result's UIDs. Raises OutputError for another patient or study than the source's."""
    source = decode_texts(series.header)
    source.StudyInstanceUID = series.study_instance_uid
    different = [word for word in IDENTITY if text((result,), word) != text((source,), word)]
    if different:
        raise unlike("the patient and study of the source", f"another {', '.join(different)}")
    return ResultName(
        str(result.SOPClassUID), str(result.SOPInstanceUID), str(result.file_meta.TransferSyntaxUID)
    )


def unlike(expected: str, got: str) -> OutputError:
    """Returns the error for a result that must not be sent."""
    return OutputError(f"expected {expected} in the result, got {got}", code="verification_failed")
