"""Reads the accession number and the patient of a study from one of its files."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

UNREADABLE = (ValueError, TypeError, LookupError, AttributeError)


def accession_number(folder: Path) -> str:
    """Returns the accession number of any one file below `folder`; '' if there is none."""
    return _texts(folder, {"accession_number": "AccessionNumber"})["accession_number"]


def patient_of(folder: Path) -> dict[str, str]:
    """Returns patient_name, patient_id and accession_number of any one file below `folder`, '' if unknown."""
    tags = {"patient_name": "PatientName", "patient_id": "PatientID", "accession_number": "AccessionNumber"}
    return _texts(folder, tags)


def _texts(folder: Path, tags: dict[str, str]) -> dict[str, str]:
    try:
        dataset = dcmread(
            next(folder.rglob("*.dcm")), specific_tags=[*tags.values()], stop_before_pixels=True
        )
        return {name: str(dataset.get(tag, "") or "").strip() for name, tag in tags.items()}
    except (StopIteration, InvalidDicomError, OSError, EOFError, *UNREADABLE):
        return dict.fromkeys(tags, "")
