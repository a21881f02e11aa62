"""Writes a key object selection of the original slices that show each fracture best."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.elements.atomic_file import write_dataset
from operators.dicom.elements.attributes import items
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Frame
from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.provenance import NOT_FOR_DIAGNOSIS, Provenance, ResultSeries, complete
from operators.dicom.provenance.source_references import nearest
from operators.dicom.sr.report_writer import frame_evidence, observer_device
from operators.packages.structures import Code
from operators.render.fracture_pictures import FracturePicture

SERIES = ResultSeries("key object", 9900, "key slices")  # after the pictures'
OF_INTEREST = Code("113000", "DCM", "Of Interest")  # PS3.16 CID 7010


def write_key_objects(pictures: tuple[FracturePicture, ...], provenance: Provenance, path: Path) -> None:
    """Writes a Key Object Selection (PS3.3 A.35.4) of the pictures' slices, if any. Raises OutputError."""
    path.unlink(missing_ok=True)
    if pictures:
        dataset = make_key_objects(pictures, provenance)
        write_dataset(path, dataset)


def make_key_objects(
    pictures: tuple[FracturePicture, ...], provenance: Provenance
) -> KeyObjectSelectionDocument:
    """Builds the document without writing it; the same input gives the same UIDs."""
    frames = list(dict.fromkeys(nearest(provenance.series, picture.k) for picture in pictures))
    shown = "; ".join(picture.title for picture in pictures)
    # An instance is listed once, and its frames in the reference
    named = {frame.sop_instance_uid: slice_of(frame, provenance) for frame in frames}
    content = KeyObjectSelection(
        document_title=concept(OF_INTEREST),
        referenced_objects=list(named.values()),
        observer_device_context=observer_device(provenance),
        description=f"{shown}. {NOT_FOR_DIAGNOSIS}.",
    )
    name_frames(content[0], frames)
    dataset = KeyObjectSelectionDocument(
        evidence=list(named.values()),
        content=content,
        **SERIES.attributes(provenance) | {"sop_instance_uid": provenance.uid("key objects")},
    )
    complete(dataset, provenance)
    return dataset


def slice_of(frame: Frame, provenance: Provenance) -> Dataset:
    """Returns the attributes of a slice that highdicom needs."""
    item = frame_evidence(frame, provenance)
    item.Rows = item.Columns = 1  # that it is an image
    return item


def key_instances(path: Path) -> tuple[tuple[str, int | None], ...]:
    """Returns the SOP instance UIDs of the slices that a document selects, each with its frame if it has one.

    None for a file that cannot be read.
    """
    try:
        content = items(dcmread(path), "ContentSequence")
        named = [each for item in content for each in items(item, "ReferencedSOPSequence")]
    except READ_ERRORS:
        return ()
    return tuple(
        (str(each.ReferencedSOPInstanceUID), frame) for each in named for frame in frames_of(each) or (None,)
    )


def frames_of(reference: Dataset) -> tuple[int, ...]:
    """Returns the frame numbers that a reference names."""
    numbers = reference.get("ReferencedFrameNumber") or ()
    return tuple(map(int, numbers)) if isinstance(numbers, Sequence) else (int(numbers),)


def name_frames(content: Dataset, frames: list[Frame]) -> None:
    """Adds the frame numbers of a multi-frame source to the references (PS3.3 10.3)."""
    for item in content.ContentSequence:
        for reference in item.get("ReferencedSOPSequence", ()):
            own = [each for each in frames if each.sop_instance_uid == reference.ReferencedSOPInstanceUID]
            if own[0].frame_number is not None:
                reference.ReferencedFrameNumber = [each.frame_number for each in own]
