"""Groups of measurements in a structured report: one for each segment, one for each broken bone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    ReferencedSegment,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from scipy import ndimage

from operators.dicom.headers.series import Series
from operators.dicom.provenance.coded_concepts import ARTIFICIAL_INTELLIGENCE, concept
from operators.dicom.provenance.provenance import MANUFACTURER, Provenance, parameters
from operators.dicom.provenance.source_references import nearest
from operators.dicom.seg.segment_descriptions import tracking_identifier
from operators.dicom.sr.measurement_items import (
    COUNT,
    FRAGMENT_COUNT,
    FRAGMENTS,
    certainty,
    flag_item,
    number,
    place_items,
    segment_items,
    whole_bone_evaluations,
    whole_bone_items,
)
from operators.errors import OutputError
from operators.geometry.volume import LabelMap
from operators.packages.structures import Code
from operators.segmentation.measurements import Measured, SegmentMeasurements
from operators.segmentation.segmentation import Flag, Segment, Segmentation

# PS3.16 CID 100
CT_PROCEDURE = Code("25045-6", "LN", "CT unspecified body region")
# SNOMED CT: the finding; the morphology 72704001 is what a SEG's segment is
FRACTURE_OF_BONE = Code("125605004", "SCT", "Fracture of bone")


Group = (
    MeasurementsAndQualitativeEvaluations
    | PlanarROIMeasurementsAndQualitativeEvaluations
    | VolumetricROIMeasurementsAndQualitativeEvaluations
)


@dataclass(frozen=True, eq=False)
class MeasuredSegment:
    """A segment, its measurements, its number in the SEG, and its flags.

    `series_instance_uid` is that of the series that it was segmented in.
    """

    segment: Segment
    row: SegmentMeasurements
    number: int
    series_instance_uid: str
    flags: tuple[Flag, ...] = ()


def volume_groups(segmentation: Segmentation, provenance: Provenance, seg: Dataset | None) -> list[Group]:
    """Returns a group for each segment of the SEG and each broken bone. Raises OutputError without SEG."""
    if seg is None:
        raise OutputError("expected a SEG that the report refers to, got none")
    found = match_segments(segmentation, provenance, seg)
    bones = [list(group) for _, group in groupby(found, key=lambda each: each.segment.bone)]
    return [
        *(segment_group(each, provenance, seg) for each in found),
        *(bone_group(bone, provenance) for bone in bones if bone[0].segment.fragment is not None),
    ]


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
    """Returns the DICOM series of most slices of each label value; {} if all slices are of one series.

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
    """Returns one flag of each code: the report holds the codes, the summary all sentences."""
    return tuple({flag.code: flag for flag in flags}.values())


def segment_group(
    found: MeasuredSegment, provenance: Provenance, seg: Dataset
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411: one segment of the SEG, under the same tracking identifier and UID."""
    segment = found.segment
    return VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(tracking_identifier(segment), provenance),
        referenced_segment=ReferencedSegment(
            seg.SOPClassUID,
            seg.SOPInstanceUID,
            found.number,
            source_series=SourceSeriesForSegmentation(found.series_instance_uid),
        ),
        finding_category=concept(segment.category),
        finding_type=concept(segment.type),
        finding_sites=[site(segment)],
        algorithm_id=algorithm_of(provenance, segment.bone),
        measurements=[
            *segment_items(found.row),
            *(whole_bone_items(found.row) if segment.fragment is None else ()),
            *certainty(segment.confidence),
        ],
        qualitative_evaluations=[
            *(whole_bone_evaluations(found.row) if segment.fragment is None else ()),
            *place_items(found.row),
            *(flag_item(flag) for flag in found.flags),
        ]
        or None,
    )


def bone_group(
    fragments: list[MeasuredSegment], provenance: Provenance
) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: a broken bone, its fragments, the whole's measurements, how likely it is fractured."""
    first, row = fragments[0].segment, fragments[0].row
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(first.bone, provenance),
        finding_type=concept(FRACTURE_OF_BONE),
        finding_sites=[site(first)],
        algorithm_id=algorithm_of(provenance, first.bone),
        measurements=[
            number(FRAGMENT_COUNT, Measured(len(fragments)), FRAGMENTS, COUNT),
            *whole_bone_items(row),
            *certainty(first.fracture_probability),
        ],
        qualitative_evaluations=whole_bone_evaluations(row) or None,
    )


def tracking(identifier: str, provenance: Provenance) -> TrackingIdentifier:
    """Returns the tracking identifier and UID that the SEG has."""
    return TrackingIdentifier(provenance.tracking_uid(identifier), identifier)


def site(segment: Segment) -> FindingSite:
    """Returns the bone, and its side."""
    side = None if segment.laterality is None else concept(segment.laterality)
    return FindingSite(concept(segment.region), laterality=side)


def algorithm_of(provenance: Provenance, bone: str) -> AlgorithmIdentification:
    """TID 4019: name and version of the algorithm that segmented a bone, and the checksums of its weights."""
    package = provenance.package.maker_of(bone)
    return AlgorithmIdentification(
        name=package.algorithm_name,
        version=package.version,
        parameters=[f"{name} {value}" for name, value in parameters(provenance, package).items()],
        family=concept(ARTIFICIAL_INTELLIGENCE),
        manufacturer=MANUFACTURER,
    )
