"""Reads a written report back and compares it with its source."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.elements.attributes import items
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.result_check import ResultName, checked, unlike


def check_report(path: Path, seg_sop_instance_uid: str | None, series: Series) -> ResultName:
    """Raises OutputError where the file is of another patient, or refers to another SEG or to none."""
    if seg_sop_instance_uid is None:
        raise unlike("a SEG that the report refers to", "none")
    dataset, named = read_report(path)
    if named != {seg_sop_instance_uid}:
        raise unlike("references only to the SEG beside it", f"{len(named)} instances")
    return checked(dataset, series)


def read_report(path: Path) -> tuple[Dataset, set[str]]:
    """Returns the report, and the instances that its content refers to. Raises OutputError."""
    try:
        dataset = dcmread(path)
        return dataset, referenced(dataset)
    except READ_ERRORS as error:
        raise unlike("a report that can be read back", "one that cannot") from error


def check_projection_report(path: Path, seg_sop_instance_uid: str | None, series: Series) -> ResultName:
    """Checks a radiograph's report, which refers to the radiograph, and to its SEG if there is one."""
    dataset, named = read_report(path)
    own = {frame.sop_instance_uid for frame in series.frames}
    expected = own if seg_sop_instance_uid is None else own | {seg_sop_instance_uid}
    if named != expected:
        raise unlike("references only to the radiograph and its SEG", f"{len(named)} instances")
    return checked(dataset, series)


def referenced(item: Dataset) -> set[str]:
    """Returns the instances that a content item and all below it refer to."""
    own = {str(each.ReferencedSOPInstanceUID) for each in items(item, "ReferencedSOPSequence")}
    return own.union(*(referenced(child) for child in items(item, "ContentSequence")))
