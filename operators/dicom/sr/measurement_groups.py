"""Groups of measurements in a structured report: one for each segment, one for each broken bone."""

from __future__ import annotations

from dataclasses import dataclass

from highdicom.sr import (
    AlgorithmIdentification,
    FindingSite,
    MeasurementsAndQualitativeEvaluations,
    ReferencedSegment,
    SourceSeriesForSegmentation,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset

from operators.dicom.provenance.coded_concepts import ARTIFICIAL_INTELLIGENCE, concept
from operators.dicom.provenance.provenance import MANUFACTURER, Provenance, parameters
from operators.dicom.seg.segment_descriptions import tracking_identifier
from operators.dicom.sr.measurement_items import (
    certainty_items,
    count_item,
    flag_item,
    fracture_certainty_items,
    long_bone_items,
    region_items,
    segment_items,
)
from operators.packages.structures import Code
from operators.segmentation.measurements import SegmentMeasurements
from operators.segmentation.segmentation import Flag, Segment

# SNOMED CT: the finding; the morphology 72704001 is what a SEG's segment is
FRACTURE_OF_BONE = Code("125605004", "SCT", "Fracture of bone")


@dataclass(frozen=True, eq=False)
class MeasuredSegment:
    """A segment, what was measured of it, its number in the SEG, and what may be wrong with it.

    `series_instance_uid` is of the series that it was drawn on.
    """

    segment: Segment
    row: SegmentMeasurements
    number: int
    series_instance_uid: str
    flags: tuple[Flag, ...] = ()


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
            *(long_bone_items(found.row) if segment.fragment is None else ()),
            *certainty_items(segment),
        ],
        qualitative_evaluations=[flag_item(flag) for flag in found.flags] or None,
    )


def bone_group(
    fragments: list[MeasuredSegment], provenance: Provenance
) -> MeasurementsAndQualitativeEvaluations:
    """TID 1501: a broken bone, the number of its fragments, measurements of the whole, and how sure it is
    that it is broken.
    """
    first, row = fragments[0].segment, fragments[0].row
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=tracking(first.bone, provenance),
        finding_type=concept(FRACTURE_OF_BONE),
        finding_sites=[site(first)],
        algorithm_id=algorithm_of(provenance, first.bone),
        measurements=[
            count_item(len(fragments)),
            *long_bone_items(row),
            *fracture_certainty_items(first),
        ],
        qualitative_evaluations=region_items(row) or None,
    )


def tracking(identifier: str, provenance: Provenance) -> TrackingIdentifier:
    """Returns the tracking identifier and UID that the SEG has."""
    return TrackingIdentifier(provenance.tracking_uid(identifier), identifier)


def site(segment: Segment) -> FindingSite:
    """The bone, and its side."""
    side = None if segment.laterality is None else concept(segment.laterality)
    return FindingSite(concept(segment.region), laterality=side)


def algorithm_of(provenance: Provenance, bone: str) -> AlgorithmIdentification:
    """TID 4019: name and version of what segmented a bone, and the checksums of its weights."""
    package = provenance.package.maker_of(bone)
    return AlgorithmIdentification(
        name=package.algorithm_name,
        version=package.version,
        parameters=[f"{name} {value}" for name, value in parameters(provenance, package).items()],
        family=concept(ARTIFICIAL_INTELLIGENCE),
        manufacturer=MANUFACTURER,
    )
