"""Writes a rejection note: a key object selection that withdraws instances (IHE RAD IOCM)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import DeviceObserverIdentifyingAttributes, ObserverContext
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.valuerep import DA, DT, TM

from operators.dicom.elements.atomic_file import write_dataset
from operators.dicom.elements.instance_identity import read_outgoing
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.identity import REQUIRED_PERHAPS_EMPTY, copy_identity, derived_uid
from operators.dicom.provenance.provenance import MANUFACTURER, MARK
from operators.dicom.provenance.result_check import ResultName, unlike
from operators.packages.structures import Code

SERIES_NUMBER = 9990  # after the key objects'
REJECTED = Code("113001", "DCM", "Rejected for Quality Reasons")  # PS3.16 CID 7011
UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")


def write_rejection_note(
    rejected: Sequence[Path], at: datetime, software_version: str, path: Path
) -> ResultName:
    """Writes a Key Object Selection Document (PS3.3 A.35.4) that rejects the instances in these files.

    Raises OutputError if one cannot be read, or if nothing can be written.
    """
    try:
        headers = [dcmread(each, stop_before_pixels=True) for each in rejected]
    except READ_ERRORS as error:
        raise unlike("results that can be read", "one that cannot") from error
    dataset = make_rejection_note(headers, at, software_version)
    write_dataset(path, dataset)
    return ResultName(*read_outgoing(path))


def make_rejection_note(
    headers: Sequence[Dataset], at: datetime, software_version: str
) -> KeyObjectSelectionDocument:
    """Builds the note of instances of one study; the same instances and time give the same bytes."""
    evidence = [evidence_of(header) for header in headers]
    uids = sorted(str(header.SOPInstanceUID) for header in headers)
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", MANUFACTURER), name=MANUFACTURER, manufacturer_name=MANUFACTURER
    )
    dataset = KeyObjectSelectionDocument(
        evidence=evidence,
        content=KeyObjectSelection(
            document_title=concept(REJECTED),
            referenced_objects=evidence,
            observer_device_context=ObserverContext(codes.DCM.Device, device),
            description="These results were withdrawn by a user.",
        ),
        series_instance_uid=derived_uid("rejection series", at.isoformat(), *uids),
        series_number=SERIES_NUMBER,
        series_description=f"{MARK}results withdrawn",
        sop_instance_uid=derived_uid("rejection", at.isoformat(), *uids),
        instance_number=1,
        specific_character_set="ISO_IR 192",
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=software_version,
    )
    copy_identity(headers[0], dataset)
    settle(dataset, at)
    return dataset


def evidence_of(header: Dataset) -> Dataset:
    """Returns the attributes of an instance that highdicom needs: its UIDs, and whether it is an image."""
    item = Dataset()
    for keyword in REQUIRED_PERHAPS_EMPTY:
        setattr(item, keyword, "")
    for keyword in UIDS:
        item[keyword] = header[keyword]
    if "Rows" in header:
        item.Rows, item.Columns = header.Rows, header.Columns
    return item


def settle(dataset: KeyObjectSelectionDocument, at: datetime) -> None:
    """Replaces highdicom's current times by that of the rejection."""
    day, hour = DA(at.date()), TM(at.time().replace(tzinfo=None, microsecond=0))
    dataset.InstanceCreationDate = dataset.ContentDate = dataset.SeriesDate = day
    dataset.InstanceCreationTime = dataset.ContentTime = dataset.SeriesTime = hour
    for item in dataset.ContributingEquipmentSequence:
        item.ContributionDateTime = DT(at.replace(microsecond=0))
