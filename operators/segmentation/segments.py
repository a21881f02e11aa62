"""Makes segments from the labels of bones: an anatomical structure, or a fragment of it."""

from __future__ import annotations

from collections.abc import Sequence

from operators.packages.packages import Label
from operators.packages.structures import Code
from operators.segmentation.colours import fragment_colour
from operators.segmentation.segmentation import Segment

# PS3.16 CID 7150 and SNOMED CT: a fragment is a lesion whose type is the morphology "Fracture"
LESION = Code("49755003", "SCT", "Morphologically Abnormal Structure")
FRACTURE = Code("72704001", "SCT", "Fracture")


def segment_of(
    label: Label,
    labels: Sequence[Label],
    value: int,
    fragment: int | None,
    volume_ml: float,
    network_mean: float,
) -> Segment:
    """Returns the segment of a bone in a package with `labels`; a fragment is a fracture in its region."""
    whole = fragment is None
    return Segment(
        value=value,
        bone=label.name,
        label=label.meaning if whole else f"{label.meaning} fragment {fragment}",
        fragment=fragment,
        category=label.structure.category if whole else LESION,
        type=label.structure.type if whole else FRACTURE,
        region=label.structure.region or label.structure.type,
        laterality=label.structure.laterality,
        rgb=label.structure.rgb if fragment is None else fragment_colour(labels, label.name, fragment),
        volume_ml=volume_ml,
        network_mean=network_mean,
        side_unknown=label.is_of_unknown_side,
    )
