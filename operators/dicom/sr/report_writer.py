"""Writes measurements as a DICOM structured report that refers to the segments of a SEG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from highdicom.sr import (
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    EnhancedSR,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from operators.dicom.elements.atomic_file import write_whole
from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.identity import (
    REQUIRED_PERHAPS_EMPTY,
    copy_identity,
    decode_texts,
    weights_serial,
)
from operators.dicom.provenance.provenance import (
    LONG_STRING,
    MANUFACTURER,
    Provenance,
    device_uid,
    equipment,
    mark,
    set_dates,
)
from operators.dicom.sr.measurement_groups import CT_PROCEDURE, Group, volume_groups
from operators.dicom.sr.measurement_items import PRIVATE
from operators.dicom.sr.projection_codes import XR_PROCEDURE
from operators.dicom.sr.projection_groups import projection_groups
from operators.packages.structures import Code
from operators.segmentation.segmentation import Segmentation
from operators.segmentation.summary import summary

# PS3.16 CID 7021; CID 100; annex D
TITLE = Code("126000", "DCM", "Imaging Measurement Report")
SUMMARY = Code("121111", "DCM", "Summary")
NAMES = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SegmentSequence", "SegmentationType"]


Report = Comprehensive3DSR | EnhancedSR


@dataclass(frozen=True)
class Document:
    """A kind of report: its SOP class, what its UIDs are derived from, and how its series is called."""

    sop_class: type[Comprehensive3DSR] | type[EnhancedSR]
    name: str
    series_number: int
    description: str


# After the SEG's
MEASURES = Document(Comprehensive3DSR, "report", 9500, "measures")


@dataclass(frozen=True)
class Content:
    """What the report on one type of image holds: procedure, groups, and the images that it refers to."""

    procedure: Code
    groups: Callable[[Segmentation, Provenance, Dataset | None], Sequence[Group]]
    evidence: Callable[[Provenance], list[Dataset]]


def write_report(segmentation: Segmentation, provenance: Provenance, seg: Path, path: Path) -> Path:
    """Writes a Comprehensive 3D SR (PS3.3 A.35.13, TID 1500) on the file `seg`, which a radiograph may lack.

    Raises OutputError, or UnsuitableError for a radiograph without an answer.
    """
    header = dcmread(seg, stop_before_pixels=True, specific_tags=NAMES) if seg.is_file() else None
    dataset = make_report(segmentation, provenance, header)
    return write_whole(path, partial(dataset.save_as, enforce_file_format=True))


def make_report(segmentation: Segmentation, provenance: Provenance, seg: Dataset | None) -> Report:
    """Builds the report; the same input gives the same UIDs. `seg` is the SEG's header, if any."""
    kind = CONTENTS[segmentation.package.reads]
    groups = kind.groups(segmentation, provenance, seg)
    content = assemble_content(groups, kind.procedure, summary(segmentation), provenance)
    evidence = kind.evidence(provenance) + ([] if seg is None else [evidence_of(seg, provenance)])
    dataset = assemble_report(MEASURES, content, evidence, provenance)
    dataset.CodingSchemeIdentificationSequence = [scheme(PRIVATE, "Osteon's own codes")]
    return dataset


def assemble_report(
    kind: Document, content: MeasurementReport | Dataset, evidence: list[Dataset], provenance: Provenance
) -> Report:
    """Builds a report with that content on the instances `evidence`."""
    header = decode_texts(provenance.series.header)
    dataset = kind.sop_class(
        evidence=evidence,
        content=content,
        series_instance_uid=provenance.uid(f"{kind.name} series"),
        series_number=provenance.series_number(kind.series_number),
        series_description=provenance.description(kind.description),
        sop_instance_uid=provenance.uid(kind.name),
        instance_number=1,
        is_complete=True,
        specific_character_set="ISO_IR 192",
        **equipment(provenance),
    )
    copy_identity(header, dataset)
    mark(dataset, provenance)
    set_dates(dataset, provenance)
    return dataset


def evidence_of(seg: Dataset, provenance: Provenance) -> Dataset:
    """Returns the attributes of the SEG that highdicom needs: its UIDs, and the patient."""
    item = anonymous_evidence(provenance)
    for keyword in NAMES[:3]:
        item[keyword] = seg[keyword]
    return item


def anonymous_evidence(provenance: Provenance) -> Dataset:
    """Returns an instance of the study without UIDs of its own and without the patient."""
    item = Dataset()
    for keyword in REQUIRED_PERHAPS_EMPTY:
        setattr(item, keyword, "")  # highdicom would parse it; `copy_identity` copies it
    item.StudyInstanceUID = provenance.series.study_instance_uid
    return item


def source_evidence(provenance: Provenance) -> list[Dataset]:
    """Returns the UIDs of the images, without the patient."""
    found = []
    for series_instance_uid, frames in provenance.series.frames_by_series().items():
        for frame in frames:
            item = anonymous_evidence(provenance)
            item.SeriesInstanceUID = series_instance_uid
            item.SOPClassUID, item.SOPInstanceUID = provenance.series.sop_class_uid, frame.sop_instance_uid
            found.append(item)
    return found


def assemble_content(
    groups: Sequence[Group], procedure: Code, sentences: Sequence[str], provenance: Provenance
) -> MeasurementReport:
    """Returns the content of a report: the observer, its groups, and a summary in words."""
    report = MeasurementReport(
        observation_context=observer(provenance),
        procedure_reported=concept(procedure),
        title=concept(TITLE),
        imaging_measurements=groups,
    )
    text = TextContentItem(concept(SUMMARY), "\n".join(sentences), RelationshipTypeValues.CONTAINS)
    report[0].ContentSequence.append(text)
    return report


def observer(provenance: Provenance) -> ObservationContext:
    """Returns the observer: a device that changes with the weights."""
    return ObservationContext(observer_device_context=observer_device(provenance))


def observer_device(provenance: Provenance) -> ObserverContext:
    """Returns the algorithm as observing device."""
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(provenance.package),
        name=provenance.package.algorithm_name[:LONG_STRING],
        manufacturer_name=MANUFACTURER,
        model_name=provenance.package.algorithm_name[:LONG_STRING],
        serial_number=weights_serial(provenance.package),
    )
    return ObserverContext(codes.DCM.Device, device)


def scheme(designator: str, name: str) -> Dataset:
    """Returns an unregistered coding scheme (PS3.3 8.3)."""
    item = Dataset()
    item.CodingSchemeDesignator = designator
    item.CodingSchemeName = name
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item


# By what a package reads
CONTENTS = {
    "volume": Content(CT_PROCEDURE, volume_groups, lambda _: []),
    "projection": Content(XR_PROCEDURE, projection_groups, source_evidence),
}
