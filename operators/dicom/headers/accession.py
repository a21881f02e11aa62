"""Reads the accession number of a study from one of its files."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError


def accession_number(folder: Path) -> str:
    """Returns the accession number of any one file below `folder`; '' if there is none."""
    path = next(folder.rglob("*.dcm"), None)
    if path is None:
        return ""
    try:
        dataset = dcmread(path, specific_tags=["AccessionNumber"], stop_before_pixels=True)
        return str(dataset.get("AccessionNumber", "") or "").strip()
    except (InvalidDicomError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError):
        return ""
