"""Tells DICOM SEG files from all others."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError

# PS3.4 B.5: Segmentation Storage and Label Map Segmentation Storage.
SEG_SOP_CLASS_UIDS = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")


def is_seg(path: Path) -> bool:
    """Whether the file is a DICOM instance of one of the label-carrying SEG classes."""
    try:
        dataset = dcmread(path, stop_before_pixels=True, specific_tags=["SOPClassUID"])
    except (InvalidDicomError, OSError, EOFError):
        return False
    return dataset.get("SOPClassUID") in SEG_SOP_CLASS_UIDS
