"""Writes the answer to a radiograph as a structured report: the verdict, and a group for each finding."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from highdicom.sr import (
    Comprehensive3DSR,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegmentationFrame,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    SourceImageForSegmentation,
)
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.elements.atomic_file import write_whole
from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.provenance import Provenance
from operators.dicom.seg.segment_descriptions import tracking_identifier
from operators.dicom.sr.measurement_groups import FRACTURE_OF_BONE, algorithm_of, site, tracking
from operators.dicom.sr.measurement_items import MM2, PERCENT, PRIVATE, certainty, flag_item, number
from operators.dicom.sr.projection_codes import (
    BODY_PART,
    OPERATING_POINT,
    PROCEDURE,
    SIDE,
    SIDES,
    VERDICTS,
    VIEW,
    VIEWS,
    body_part_codes,
    code_named,
)
from operators.dicom.sr.report_writer import (
    NAMES,
    Group,
    anonymous_evidence,
    assemble_content,
    assemble_report,
    evidence_of,
    one_of_each,
)
from operators.errors import UnsuitableError
from operators.measure.projection_flags import DETECTOR_SPACING
from operators.packages.structures import Code
from operators.segmentation.measurements import Measured
from operators.segmentation.radiograph_answer import FractureFinding, RadiographAnswer
from operators.segmentation.segmentation import Flag, Segment, Segmentation
from operators.segmentation.summary import summary

WHOLE_IMAGE = "radiograph"
# PS3.16 CID 7469; UCUM
AREA = Code("42798000", "SCT", "Area")
PIXELS = Code("{pixels}", "UCUM", "pixels")
IN_PATIENT = Code("pixels_patient", PRIVATE, "Sum of outlined pixels, calibrated to the patient")
ON_DETECTOR = Code("pixels_detector", PRIVATE, "Sum of outlined pixels on the detector")
COUNTED = Code("pixels_counted", PRIVATE, "Count of outlined pixels")
BOUNDS = Code("bounds", PRIVATE, "Bounds of the outline, rows and columns counted from 0")
BOX = (
    Code("first_row", PRIVATE, "First row"),
    Code("first_column", PRIVATE, "First column"),
    Code("behind_last_row", PRIVATE, "Row behind the last"),
    Code("behind_last_column", PRIVATE, "Column behind the last"),
)
THRESHOLD = Code("threshold", PRIVATE, "Threshold of the probability")
SETTING = Code("setting", PRIVATE, "Setting of the model package")
RECOGNISED = Code("recognised", PRIVATE, "Output of a network, not calibrated")
BODY_PART_SHARE = Code("body_part_share", PRIVATE, "Network output for the body part")
VIEW_SHARE = Code("view_share", PRIVATE, "Network output for the view")
HARDWARE_SHARE = Code("hardware_share", PRIVATE, "Network output for metal in the image")


def write_projection_report(
    segmentation: Segmentation, provenance: Provenance, seg: Path, path: Path
) -> Path:
    """Writes a Comprehensive 3D SR (PS3.3 A.35.13, TID 1500) on a radiograph, and on the file `seg` if any.

    Raises OutputError, or UnsuitableError for a segmentation without an answer.
    """
    names = [*NAMES, "SegmentationType"]
    header = dcmread(seg, stop_before_pixels=True, specific_tags=names) if seg.is_file() else None
    dataset = make_projection_report(segmentation, provenance, header)
    return write_whole(path, partial(dataset.save_as, enforce_file_format=True))


def make_projection_report(
    segmentation: Segmentation, provenance: Provenance, seg: Dataset | None
) -> Comprehensive3DSR:
    """The report, not yet written; the same input gives the same UIDs. `seg` is the SEG's header, if any."""
    answer = answer_of(segmentation)
    segments = {segment.value: segment for segment in segmentation.segments}
    groups: list[Group] = [
        image_group(segmentation, answer, provenance),
        *(
            finding_group(each, segments[each.value], segmentation, provenance, seg)
            for each in answer.findings
            if each.value in segments
        ),
    ]
    content = assemble_content(groups, PROCEDURE, summary(segmentation), provenance)
    evidence = [radiograph_evidence(provenance)]
    if seg is not None:
        evidence.append(evidence_of(seg, provenance))
    return assemble_report(content, evidence, provenance)


def answer_of(segmentation: Segmentation) -> RadiographAnswer:
    """The answer. Raises UnsuitableError without one."""
    if segmentation.answer is None:
        raise UnsuitableError("expected the answer to a radiograph, got none", code="no_answer")
    return segmentation.answer


def radiograph_evidence(provenance: Provenance) -> Dataset:
    """The radiograph by its names, without the patient."""
    item, series = anonymous_evidence(provenance), provenance.series
    item.SeriesInstanceUID = series.series_instance_uid
    item.SOPClassUID, item.SOPInstanceUID = series.sop_class_uid, series.frames[0].sop_instance_uid
    return item


def source_names(provenance: Provenance) -> tuple[str, str, list[int] | None]:
    """Class, instance and, of a multi-frame one, frame of the radiograph."""
    (frame,) = provenance.series.frames
    numbers = None if frame.frame_number is None else [frame.frame_number]
    return provenance.series.sop_class_uid, frame.sop_instance_uid, numbers


def image_group(
    segmentation: Segmentation, answer: RadiographAnswer, provenance: Provenance
) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: the verdict on the whole image, how it was reached, and what the image shows.

    It has no finding type: where no fracture was found, the group would still be one of a fracture.
    """
    codes = body_part_codes(segmentation.package)
    flags = one_of_each(tuple(flag for flag in segmentation.flags if is_of_image(flag, segmentation)))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(WHOLE_IMAGE, provenance),
        finding_sites=sites(answer, codes) or None,
        algorithm_id=algorithm_of(provenance, WHOLE_IMAGE),
        source_images=[SourceImageForMeasurementGroup(*source_names(provenance))],
        measurements=[
            *certainty(answer.probability),
            percentage(THRESHOLD, answer.threshold, SETTING),
            percentage(BODY_PART_SHARE, answer.body_part.probability),
            percentage(VIEW_SHARE, answer.view.probability),
            percentage(HARDWARE_SHARE, answer.hardware),
        ],
        qualitative_evaluations=[*evaluations(answer, codes), *map(flag_item, flags)],
    )


def sites(answer: RadiographAnswer, codes: dict[str, Code]) -> list[FindingSite]:
    """The body part and its side; none where no body part with a code was recognised."""
    part, side = codes.get(answer.body_part.name), SIDES.get(answer.laterality)
    if part is None:
        return []
    return [FindingSite(concept(part), laterality=None if side is None else concept(side))]


def evaluations(answer: RadiographAnswer, codes: dict[str, Code]) -> list[QualitativeEvaluation]:
    """Verdict, operating point, body part, view and side."""
    said = {
        FRACTURE_OF_BONE: VERDICTS[answer.verdict],
        OPERATING_POINT: code_named(answer.operating_point, {}),
        BODY_PART: code_named(answer.body_part.name, codes),
        VIEW: code_named(answer.view.name, VIEWS),
        SIDE: SIDES.get(answer.laterality),
    }
    return [QualitativeEvaluation(concept(name), concept(value)) for name, value in said.items() if value]


def percentage(name: Code, share: float, method: Code = RECOGNISED) -> Measurement:
    """A share of 1 in percent."""
    return number(name, Measured(share * 100), PERCENT, method, digits=0)


def is_of_image(flag: Flag, segmentation: Segmentation) -> bool:
    """Whether a flag holds for the whole image, and not for some of its findings alone."""
    return set(flag.values) >= {segment.value for segment in segmentation.segments}


def finding_group(
    finding: FractureFinding,
    segment: Segment,
    segmentation: Segmentation,
    provenance: Provenance,
    seg: Dataset | None,
) -> PlanarROIMeasurementsAndQualitativeEvaluations:
    """TID 1410: one outlined fracture, under the tracking identifier and UID of its segment."""
    own = tuple(flag for flag in segmentation.flags if finding.value in flag.values)
    flags = one_of_each(tuple(flag for flag in own if not is_of_image(flag, segmentation)))
    outline = segment_frame(segment, provenance, seg)
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(tracking_identifier(segment), provenance),
        referenced_segment=outline,
        referenced_region=box_region(finding, provenance) if outline is None else None,
        finding_category=concept(segment.category),
        finding_type=concept(segment.type),
        finding_sites=[site(segment)],
        algorithm_id=algorithm_of(provenance, segment.bone),
        measurements=[
            *certainty(finding.probability),
            area_item(finding, segmentation),
            *(
                number(name, Measured(edge), PIXELS, BOUNDS, digits=0)
                for name, edge in zip(BOX, finding.box, strict=True)
            ),
        ],
        qualitative_evaluations=[flag_item(flag) for flag in flags] or None,
    )


def segment_frame(
    segment: Segment, provenance: Provenance, seg: Dataset | None
) -> ReferencedSegmentationFrame | None:
    """The segment's frame of the SEG; None where it has none."""
    if seg is None:
        return None
    uid = provenance.tracking_uid(tracking_identifier(segment))
    numbers = {item.get("TrackingUID"): int(item.SegmentNumber) for item in seg.SegmentSequence}
    if uid not in numbers:
        return None
    source = SourceImageForSegmentation(*source_names(provenance))
    own = numbers[uid]
    found = ReferencedSegmentationFrame(seg.SOPClassUID, seg.SOPInstanceUID, own, own, source_image=source)
    # One of both (PS3.3 C.18.4): a binary SEG has a frame for each segment, a label map one for all of them
    needless = "ReferencedSegmentNumber" if seg.SegmentationType == "BINARY" else "ReferencedFrameNumber"
    del found[0].ReferencedSOPSequence[0][needless]
    return found


def box_region(finding: FractureFinding, provenance: Provenance) -> ImageRegion:
    """The box around a finding on the radiograph: the outer edges of its pixels (PS3.3 C.18.6)."""
    top, left, bottom, right = finding.box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return ImageRegion(
        GraphicTypeValues.POLYLINE,
        np.array(corners, np.float64),
        source_image=SourceImageForRegion(*source_names(provenance)),
    )


def area_item(finding: FractureFinding, segmentation: Segmentation) -> Measurement:
    """The area in mm2, in the patient or on the detector; in pixels where their size is not known."""
    if finding.area_mm2 is None:
        return number(AREA, Measured(finding.area_pixels), PIXELS, COUNTED, digits=0)
    on_detector = any(flag.code == DETECTOR_SPACING for flag in segmentation.flags)
    return number(AREA, Measured(finding.area_mm2), MM2, ON_DETECTOR if on_detector else IN_PATIENT, digits=1)
