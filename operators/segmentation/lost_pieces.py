"""Leaves out fragments most of which another package's bone claims with more certainty."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from operators.geometry.volume import LabelMap
from operators.segmentation.segmentation import Contact, Segment, Segmentation
from operators.segmentation.segments import segment_of

# What is left of a fragment that lost a greater share is the edge of another bone
MOST_LOST = 0.5


def lost_pieces(made: Segmentation, left_ml: Mapping[int, float]) -> set[int]:
    """Returns the values of fragments that lost most of their volume; `left_ml` is what is left of each."""
    return {
        segment.value
        for segment in made.segments
        if segment.fragment is not None
        and left_ml.get(segment.value, segment.volume_ml) < (1 - MOST_LOST) * segment.volume_ml
    }


def without_pieces(made: Segmentation, lost: Collection[int]) -> Segmentation:
    """Returns a segmentation without some fragments; the others of their bones are numbered anew, and one
    that is alone is the whole bone.
    """
    table = np.zeros(int(made.label_map.labels.max()) + 1, made.label_map.labels.dtype)
    shown: list[Segment] = []
    numbers: dict[tuple[str, int | None], int | None] = {}
    for bone, group in groupby(made.segments, key=lambda segment: segment.bone):
        before = list(group)
        kept = [segment for segment in before if segment.value not in lost]
        after = kept if len(kept) == len(before) else renumbered(kept, made)
        for old, new in zip(kept, after, strict=True):
            table[old.value], numbers[bone, old.fragment] = new.value, new.fragment
        shown += after
    labels = (segment.label for segment in made.segments if segment.value in lost)
    gone = (f"{label}: left out, as most of it belongs to another bone." for label in labels)
    return replace(
        made,
        label_map=LabelMap(table[made.label_map.labels], made.label_map.grid),
        segments=tuple(shown),
        contacts=tuple(contacts_between(made.contacts, numbers)),
        warnings=(*made.warnings, *gone),
    )


def renumbered(fragments: Sequence[Segment], made: Segmentation) -> list[Segment]:
    """Returns all fragments of a bone under the first of its values; a single one is the whole bone."""
    if not fragments:
        return []
    label = next(label for label in made.package.labels if label.name == fragments[0].bone)
    whole = len(fragments) == 1
    return [
        replace(
            segment_of(
                label, made.package.labels, value, None if whole else n, each.volume_ml, each.network_mean
            ),
            bone_probability=each.bone_probability,
            fracture_probability=each.fracture_probability,
            fragment_probability=None if whole else each.fragment_probability,
            evidence=each.evidence,
        )
        for n, (value, each) in enumerate(zip(label.values, fragments, strict=False), start=1)
    ]


def contacts_between(
    contacts: Sequence[Contact], numbers: Mapping[tuple[str, int | None], int | None]
) -> list[Contact]:
    """Returns the contacts between fragments that are left, under their new numbers."""
    found = []
    for each in contacts:
        one, other = (numbers.get((each.bone, fragment)) for fragment in each.fragments)
        if one is not None and other is not None:
            found.append(replace(each, fragments=(one, other)))
    return found
