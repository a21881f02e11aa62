"""Writes measurements as a DICOM structured report that refers to the segments of a SEG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

from operators.dicom.elements.atomic_file import write_dataset
from operators.dicom.headers.series import Frame
from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.identity import (
    REQUIRED_PERHAPS_EMPTY,
    weights_serial,
)
from operators.dicom.provenance.provenance import (
    LONG_STRING,
    MANUFACTURER,
    Provenance,
    ResultSeries,
    complete,
    device_uid,
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


# After the SEG's
MEASURES = ResultSeries("report", 9500, "measures")


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
    return write_dataset(path, dataset)


def make_report(segmentation: Segmentation, provenance: Provenance, seg: Dataset | None) -> Report:
    """Builds the report; the same input gives the same UIDs. `seg` is the SEG's header, if any."""
    kind = CONTENTS[segmentation.package.reads]
    groups = kind.groups(segmentation, provenance, seg)
    content = assemble_content(groups, kind.procedure, summary(segmentation), provenance)
    evidence = kind.evidence(provenance) + ([] if seg is None else [evidence_of(seg, provenance)])
    dataset = assemble_report(Comprehensive3DSR, MEASURES, content, evidence, provenance)
    dataset.CodingSchemeIdentificationSequence = [own_scheme()]
    return dataset


def assemble_report(
    sop_class: type[Comprehensive3DSR] | type[EnhancedSR],
    series: ResultSeries,
    content: MeasurementReport | Dataset,
    evidence: list[Dataset],
    provenance: Provenance,
) -> Report:
    """Builds a report with that content on the instances `evidence`."""
    dataset = sop_class(evidence=evidence, content=content, is_complete=True, **series.attributes(provenance))
    complete(dataset, provenance)
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


def frame_evidence(frame: Frame, provenance: Provenance) -> Dataset:
    """Returns the UIDs of the instance of a frame, without the patient."""
    item, series = anonymous_evidence(provenance), provenance.series
    item.SeriesInstanceUID = frame.series_instance_uid or series.series_instance_uid
    item.SOPClassUID, item.SOPInstanceUID = series.sop_class_uid, frame.sop_instance_uid
    return item


def source_evidence(provenance: Provenance) -> list[Dataset]:
    """Returns the UIDs of the images, without the patient."""
    by_series = provenance.series.frames_by_series().values()
    return [frame_evidence(frame, provenance) for frames in by_series for frame in frames]


def assemble_content(
    groups: Sequence[Group], procedure: Code, sentences: Sequence[str], provenance: Provenance
) -> MeasurementReport:
    """Returns the content of a report: the observer, its groups, and a summary in words."""
    report = MeasurementReport(
        # The observer is a device that changes with the weights
        observation_context=ObservationContext(observer_device_context=observer_device(provenance)),
        procedure_reported=concept(procedure),
        title=concept(TITLE),
        imaging_measurements=groups,
    )
    text = TextContentItem(concept(SUMMARY), "\n".join(sentences), RelationshipTypeValues.CONTAINS)
    report[0].ContentSequence.append(text)
    return report


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


def own_scheme() -> Dataset:
    """Returns Osteon's own coding scheme, which is not registered (PS3.3 8.3)."""
    item = Dataset()
    item.CodingSchemeDesignator = PRIVATE
    item.CodingSchemeName = "Osteon's own codes"
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item


# By what a package reads
CONTENTS = {
    "volume": Content(CT_PROCEDURE, volume_groups, lambda _: []),
    "projection": Content(XR_PROCEDURE, projection_groups, source_evidence),
}
