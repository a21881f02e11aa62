"""Identifies the bone and the fragment of a segment from any program; it never guesses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from operators.dicom.seg.seg_reader import SegmentInfo
from operators.errors import UnsuitableError
from operators.packages.packages import Label

# Codes that do not identify a structure (SCT, and SRT of older software): tissue, which 3D Slicer
# and OHIF give to new segments, anatomical and morphologically abnormal structure, fracture, bone
UNSPECIFIC = frozenset(
    {
        "",
        "85756007",
        "T-D0050",
        "91723000",
        "123037004",
        "T-D000A",
        "49755003",
        "M-01000",
        "72704001",
        "272673000",
    }
)


def values_of(segments: Sequence[SegmentInfo], labels: Sequence[Label]) -> dict[int, int]:
    """Returns the package's value by segment number; segments of other structures, by code, are left out.

    A segment is identified by its tracking identifier, else by its bone's code and side, else by its name;
    fragment n has its bone's nth value, and one without a number or with a number that is in use the next
    free one. Raises UnsuitableError for a segment that may be one of the package's but is ambiguous, and for
    more fragments than a bone has values.
    """
    found = {segment.value: label_of(segment, labels) for segment in segments}
    values: dict[int, int] = {}
    for label in labels:
        own = [segment for segment in segments if found[segment.value] is label]
        values |= _numbered(own, label)
    return values


def label_of(segment: SegmentInfo, labels: Sequence[Label]) -> Label | None:
    """Returns the bone; None for another structure. Raises UnsuitableError if it is ambiguous."""
    for rule in RULES:
        if found := [label for label in labels if rule(segment, label)]:
            return found[0]
    if segment.region.value in UNSPECIFIC or segment.region.value in {
        label.structure.type.value for label in labels
    }:
        expected = ", ".join(label.meaning for label in labels)
        raise UnsuitableError(
            f"expected segments of {expected}, by tracking identifier, by code and side, or by name, got "
            f"'{segment.label}' ({segment.region.meaning or 'no code'})",
            code="unknown_segment",
        )
    return None


def by_tracking_identifier(segment: SegmentInfo, label: Label) -> bool:
    """Compares the tracking identifier that Osteon wrote, if an editor kept it."""
    return segment.bone == label.name


def by_code_and_side(segment: SegmentInfo, label: Label) -> bool:
    """Compares the bone's code and side, which are standardised."""
    side = segment.laterality and segment.laterality.value
    own = label.structure.laterality
    return segment.region.value == label.structure.type.value and side == (own and own.value)


def by_name(segment: SegmentInfo, label: Label) -> bool:
    """Compares the segment's label, without its fragment's number, case and punctuation."""
    return plain_name(segment.label) in (plain_name(label.meaning), plain_name(label.name))


RULES: tuple[Callable[[SegmentInfo, Label], bool], ...] = (by_tracking_identifier, by_code_and_side, by_name)


def plain_name(text: str) -> str:
    """Returns the words in lower case; 'Left bone, fragment 2' becomes 'left bone'."""
    words = " ".join(re.findall(r"[^\W_]+", text.lower()))
    return re.sub(r" fragment( \d+)?$", "", words)


def _numbered(own: Sequence[SegmentInfo], label: Label) -> dict[int, int]:
    """Assigns stated numbers first; fragments without a number, or with one in use, get the free ones."""
    if len(own) > len(label.values):
        raise UnsuitableError(
            f"expected at most {len(label.values)} fragments of a bone, got {len(own)}",
            code="too_many_fragments",
        )
    values: dict[int, int] = {}
    new = []
    for segment in own:
        value = label.first_value + (segment.fragment or 1) - 1
        if segment.fragment is not None and value in label.values and value not in values.values():
            values[segment.value] = value
        else:
            new.append(segment)
    free = [value for value in label.values if value not in values.values()]
    return values | {segment.value: value for segment, value in zip(new, free, strict=False)}
