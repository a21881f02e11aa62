"""Groups of a structured report on a radiograph: one for the verdict, one for each finding."""

from __future__ import annotations

import numpy as np
from highdicom.sr import (
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
from pydicom.dataset import Dataset

from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.provenance import Provenance
from operators.dicom.seg.segment_descriptions import tracking_identifier
from operators.dicom.sr.measurement_groups import (
    FRACTURE_OF_BONE,
    Group,
    algorithm_of,
    one_of_each,
    site,
    tracking,
)
from operators.dicom.sr.measurement_items import MM2, PERCENT, certainty, flag_item, number
from operators.dicom.sr.projection_codes import (
    AREA,
    BODY_PART,
    BODY_PART_SHARE,
    BOUNDS,
    BOX,
    COUNTED,
    HARDWARE_SHARE,
    IN_PATIENT,
    ON_DETECTOR,
    OPERATING_POINT,
    PIXELS,
    RECOGNISED,
    SETTING,
    SIDE,
    SIDES,
    THRESHOLD,
    VERDICTS,
    VIEW,
    VIEW_SHARE,
    VIEWS,
    WHOLE_IMAGE,
    body_part_codes,
    code_named,
)
from operators.errors import UnsuitableError
from operators.measure.projection_flags import DETECTOR_SPACING
from operators.packages.structures import Code
from operators.segmentation.measurements import Measured
from operators.segmentation.radiograph_answer import FractureFinding, RadiographAnswer
from operators.segmentation.segmentation import Flag, Segment, Segmentation


def projection_groups(segmentation: Segmentation, provenance: Provenance, seg: Dataset | None) -> list[Group]:
    """Returns a group for the answer, and one for each finding. Raises UnsuitableError without an answer."""
    answer = segmentation.answer
    if answer is None:
        raise UnsuitableError("expected the answer for a radiograph, got none", code="no_answer")
    segments = {segment.value: segment for segment in segmentation.segments}
    return [
        image_group(segmentation, answer, provenance),
        *(
            finding_group(each, segments[each.value], segmentation, provenance, seg)
            for each in answer.findings
            if each.value in segments
        ),
    ]


def source_names(provenance: Provenance) -> tuple[str, str, list[int] | None]:
    """Class, instance and, of a multi-frame one, frame of the radiograph."""
    (frame,) = provenance.series.frames
    numbers = None if frame.frame_number is None else [frame.frame_number]
    return provenance.series.sop_class_uid, frame.sop_instance_uid, numbers


def image_group(
    segmentation: Segmentation, answer: RadiographAnswer, provenance: Provenance
) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: the verdict for the whole image, how it was reached, and what the image shows.

    It has no finding type: without a finding, the group would still be one of a fracture.
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
    """Returns the body part and its side; none if no body part with a code was recognised."""
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
    """Returns a share as a percentage."""
    return number(name, Measured(share * 100), PERCENT, method, digits=0)


def is_of_image(flag: Flag, segmentation: Segmentation) -> bool:
    """Returns whether a flag applies to the whole image, and not only to some of its findings."""
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
    """Returns the segment's frame of the SEG; None if it has none."""
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
    """Returns the box around a finding on the radiograph: the outer edges of its pixels (PS3.3 C.18.6)."""
    top, left, bottom, right = finding.box
    corners = [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]
    return ImageRegion(
        GraphicTypeValues.POLYLINE,
        np.array(corners, np.float64),
        source_image=SourceImageForRegion(*source_names(provenance)),
    )


def area_item(finding: FractureFinding, segmentation: Segmentation) -> Measurement:
    """Returns the area in mm2, in the patient or at the detector; in pixels if their size is unknown."""
    if finding.area_mm2 is None:
        return number(AREA, Measured(finding.area_pixels), PIXELS, COUNTED, digits=0)
    on_detector = any(flag.code == DETECTOR_SPACING for flag in segmentation.flags)
    return number(AREA, Measured(finding.area_mm2), MM2, ON_DETECTOR if on_detector else IN_PATIENT, digits=1)
