"""Descriptions of a SEG's segments: codes, side, colour, algorithm, tracking."""

from __future__ import annotations

from highdicom.color import CIELabColor
from highdicom.seg import SegmentDescription
from pydicom.dataset import Dataset

from operators.dicom.provenance.coded_concepts import concept
from operators.dicom.provenance.provenance import LONG_STRING, Provenance, algorithm
from operators.packages.confidence import percent
from operators.segmentation.segmentation import Segment

FRAGMENT = " fragment "


def segment_description(number: int, segment: Segment, provenance: Provenance) -> SegmentDescription:
    """Describes segment `number` of a SEG (PS3.3 C.8.20.4)."""
    tracking_id = tracking_identifier(segment)
    description = SegmentDescription(
        segment_number=number,
        segment_label=segment.label[:LONG_STRING],
        segmented_property_category=concept(segment.category),
        segmented_property_type=concept(segment.type),
        algorithm_type="AUTOMATIC",
        algorithm_identification=algorithm(provenance, segment.bone),
        tracking_id=tracking_id,
        tracking_uid=provenance.tracking_uid(tracking_id),
        anatomic_regions=None if segment.region == segment.type else [concept(segment.region)],
        display_color=CIELabColor.from_rgb(*segment.rgb),
    )
    _add_side(description, segment)
    sentence = probabilities(segment)
    if sentence:
        description.SegmentDescription = sentence
    return description


def probabilities(segment: Segment) -> str:
    """Returns a segment's calibrated values as a sentence for people: PS3.3 has no attribute for them."""
    known = {
        "Confidence": segment.confidence,
        "Probability that the bone is fractured": segment.fracture_probability,
    }
    return ", ".join(f"{what}: {percent(value)}" for what, value in known.items() if value is not None)


def tracking_identifier(segment: Segment) -> str:
    """Returns the bone's name, with the fragment's number if it is broken."""
    return segment.bone if segment.fragment is None else f"{segment.bone}{FRAGMENT}{segment.fragment}"


def bone_and_fragment(tracking_id: str) -> tuple[str, int | None]:
    """Splits a tracking identifier into the bone's name and the fragment's number."""
    bone, found, number = tracking_id.rpartition(FRAGMENT)
    return (bone, int(number)) if found and number.isdecimal() else (tracking_id, None)


def side_of(description: Dataset) -> Dataset | None:
    """Returns the item that holds the side: a modifier of the region, else of the type."""
    for item in description.get("AnatomicRegionSequence") or ():
        if item.get("AnatomicRegionModifierSequence"):
            return Dataset(item.AnatomicRegionModifierSequence[0])
    return side_of_type(description.SegmentedPropertyTypeCodeSequence[0])


def side_of_type(code: Dataset) -> Dataset | None:
    """Returns the modifier of a type's code."""
    modifiers = code.get("SegmentedPropertyTypeModifierCodeSequence")
    return Dataset(modifiers[0]) if modifiers else None


def _add_side(description: SegmentDescription, segment: Segment) -> None:
    if segment.laterality is None:
        return
    regions = description.get("AnatomicRegionSequence")
    if regions:
        regions[0].AnatomicRegionModifierSequence = [concept(segment.laterality)]
    else:
        bone = description.SegmentedPropertyTypeCodeSequence[0]
        bone.SegmentedPropertyTypeModifierCodeSequence = [concept(segment.laterality)]
