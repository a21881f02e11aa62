"""Writes measurements as a DICOM structured report that refers to the segments of a SEG."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from pathlib import Path

from highdicom.sr import (
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    RelationshipTypeValues,
    TextContentItem,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from scipy import ndimage

from operators.dicom.elements.atomic_file import write_whole
from operators.dicom.headers.series import Series
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
)
from operators.dicom.provenance.source_references import nearest
from operators.dicom.seg.segment_descriptions import tracking_identifier
from operators.dicom.sr.measurement_groups import MeasuredSegment, bone_group, segment_group
from operators.dicom.sr.measurement_items import PRIVATE
from operators.geometry.volume import LabelMap
from operators.packages.structures import Code
from operators.segmentation.segmentation import Flag, Segmentation
from operators.segmentation.summary import summary

Group = (
    MeasurementsAndQualitativeEvaluations
    | PlanarROIMeasurementsAndQualitativeEvaluations
    | VolumetricROIMeasurementsAndQualitativeEvaluations
)

SERIES_NUMBER = 9500  # after the SEG's
# PS3.16 CID 7021; CID 100; annex D
TITLE = Code("126000", "DCM", "Imaging Measurement Report")
PROCEDURE = Code("25045-6", "LN", "CT unspecified body region")
SUMMARY = Code("121111", "DCM", "Summary")
NAMES = ["SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SegmentSequence"]


def write_report(segmentation: Segmentation, provenance: Provenance, seg: Path, path: Path) -> Path:
    """Writes a Comprehensive 3D SR (PS3.3 A.35.13, TID 1500) on the file `seg`; raises OutputError."""
    dataset = make_report(
        segmentation, provenance, dcmread(seg, stop_before_pixels=True, specific_tags=NAMES)
    )
    return write_whole(path, partial(dataset.save_as, enforce_file_format=True))


def make_report(segmentation: Segmentation, provenance: Provenance, seg: Dataset) -> Comprehensive3DSR:
    """Builds the report without writing it; the same input gives the same UIDs. `seg` is the SEG's header."""
    return assemble_report(
        content_of(segmentation, provenance, seg), [evidence_of(seg, provenance)], provenance
    )


def assemble_report(
    content: MeasurementReport, evidence: list[Dataset], provenance: Provenance
) -> Comprehensive3DSR:
    """Builds the report with that content on the instances `evidence`."""
    header = decode_texts(provenance.series.header)
    dataset = Comprehensive3DSR(
        evidence=evidence,
        content=content,
        series_instance_uid=provenance.uid("report series"),
        series_number=provenance.series_number(SERIES_NUMBER),
        series_description=provenance.description("measures"),
        sop_instance_uid=provenance.uid("report"),
        instance_number=1,
        is_complete=True,
        specific_character_set="ISO_IR 192",
        **equipment(provenance),
    )
    copy_identity(header, dataset)
    mark(dataset, provenance)
    settle(dataset, provenance)
    return dataset


def evidence_of(seg: Dataset, provenance: Provenance) -> Dataset:
    """Returns the attributes of the SEG that highdicom needs: its UIDs, and the patient."""
    item = anonymous_evidence(provenance)
    for keyword in NAMES[:3]:
        item[keyword] = seg[keyword]
    return item


def anonymous_evidence(provenance: Provenance) -> Dataset:
    """An instance of the study without UIDs of its own and without the patient."""
    item = Dataset()
    for keyword in REQUIRED_PERHAPS_EMPTY:
        setattr(item, keyword, "")  # highdicom would parse it; `copy_identity` copies it
    item.StudyInstanceUID = provenance.series.study_instance_uid
    return item


def content_of(segmentation: Segmentation, provenance: Provenance, seg: Dataset) -> MeasurementReport:
    """The observer, one group for each segment and each broken bone, and a summary in words."""
    found = match_segments(segmentation, provenance, seg)
    bones = [list(group) for _, group in groupby(found, key=lambda each: each.segment.bone)]
    groups: list[Group] = [
        *(segment_group(each, provenance, seg) for each in found),
        *(bone_group(bone, provenance) for bone in bones if bone[0].segment.fragment is not None),
    ]
    return assemble_content(groups, PROCEDURE, summary(segmentation), provenance)


def assemble_content(
    groups: Sequence[Group], procedure: Code, sentences: Sequence[str], provenance: Provenance
) -> MeasurementReport:
    """The content of a report: the observer, its groups, and a summary in words."""
    report = MeasurementReport(
        observation_context=observer(provenance),
        procedure_reported=concept(procedure),
        title=concept(TITLE),
        imaging_measurements=groups,
    )
    text = TextContentItem(concept(SUMMARY), "\n".join(sentences), RelationshipTypeValues.CONTAINS)
    report[0].ContentSequence.append(text)
    return report


def match_segments(segmentation: Segmentation, provenance: Provenance, seg: Dataset) -> list[MeasuredSegment]:
    """Returns the segments that the SEG holds and that were measured, each with its number there."""
    numbers = {item.get("TrackingUID"): int(item.SegmentNumber) for item in seg.SegmentSequence}
    rows = {row.value: row for row in segmentation.measurements}
    sources = series_of_values(segmentation.label_map, provenance.series)
    found = []
    for segment in segmentation.segments:
        number = numbers.get(provenance.tracking_uid(tracking_identifier(segment)))
        if number is not None and segment.value in rows:
            flags = tuple(flag for flag in segmentation.flags if segment.value in flag.values)
            source = sources.get(segment.value, provenance.series.series_instance_uid)
            row = rows[segment.value]
            found.append(MeasuredSegment(segment, row, number, source, one_of_each(flags)))
    return found


def series_of_values(label_map: LabelMap, series: Series) -> dict[int, str]:
    """The DICOM series of most slices of each label value; {} if all slices are of one series.

    TID 1411 has a segment refer to one source series; the SEG refers to each of its images.
    """
    if not series.other_series:
        return {}
    found: dict[int, str] = {}
    for value, box in enumerate(ndimage.find_objects(label_map.labels), 1):
        if box is not None:
            along = range(box[2].start, box[2].stop)
            uids = Counter(frame.series_instance_uid for frame in (nearest(series, k) for k in along))
            found[value] = uids.most_common(1)[0][0] or series.series_instance_uid
    return found


def one_of_each(flags: tuple[Flag, ...]) -> tuple[Flag, ...]:
    """One flag of each code: the report holds the codes, the summary all sentences."""
    return tuple({flag.code: flag for flag in flags}.values())


def observer(provenance: Provenance) -> ObservationContext:
    """The observer: a device that changes with the weights."""
    return ObservationContext(observer_device_context=observer_device(provenance))


def observer_device(provenance: Provenance) -> ObserverContext:
    """The algorithm as observing device."""
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(provenance.package),
        name=provenance.package.algorithm_name[:LONG_STRING],
        manufacturer_name=MANUFACTURER,
        model_name=provenance.package.algorithm_name[:LONG_STRING],
        serial_number=weights_serial(provenance.package),
    )
    return ObserverContext(codes.DCM.Device, device)


def settle(dataset: Comprehensive3DSR, provenance: Provenance) -> None:
    """Replaces highdicom's current time, and identifies the private coding scheme (PS3.3 8.3)."""
    day, hour = provenance.day_and_hour
    dataset.ContentDate = dataset.SeriesDate = day
    dataset.ContentTime = dataset.SeriesTime = hour
    dataset.CodingSchemeIdentificationSequence = [scheme(PRIVATE, "Osteon's own codes")]


def scheme(designator: str, name: str) -> Dataset:
    """An unregistered coding scheme."""
    item = Dataset()
    item.CodingSchemeDesignator = designator
    item.CodingSchemeName = name
    item.CodingSchemeResponsibleOrganization = MANUFACTURER
    return item
