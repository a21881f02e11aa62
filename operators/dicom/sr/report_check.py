"""Reads a written report back and holds it against what it should say."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.elements.attributes import items
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.result_check import ResultName, checked, unlike


def check_report(path: Path, seg_sop_instance_uid: str, series: Series) -> ResultName:
    """Raises OutputError where the file is of another patient, or refers to another SEG."""
    try:
        dataset = dcmread(path)
        named = referenced(dataset)
    except READ_ERRORS as error:
        raise unlike("a report that can be read back", "one that cannot") from error
    if named != {seg_sop_instance_uid}:
        raise unlike("references to the SEG beside it alone", f"{len(named)} instances")
    return checked(dataset, series)


def referenced(item: Dataset) -> set[str]:
    """The instances that a content item and all below it refer to."""
    own = {str(each.ReferencedSOPInstanceUID) for each in items(item, "ReferencedSOPSequence")}
    return own.union(*(referenced(child) for child in items(item, "ContentSequence")))
