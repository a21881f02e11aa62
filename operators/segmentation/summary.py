"""Summarises a study's findings in plain sentences."""

from __future__ import annotations

from itertools import groupby

from operators.segmentation.segmentation import Segment, Segmentation

NOTICE = "Found by an algorithm, not checked by a person. For research, not for diagnosis."


def summary(segmentation: Segmentation) -> tuple[str, ...]:
    """Returns a sentence for each bone, the flags, the warnings, and the notice."""
    bones = groupby(segmentation.segments, key=lambda segment: segment.bone)
    flags = (flag.sentence for flag in segmentation.flags)
    found = (sentence(list(group), segmentation) for _, group in bones)
    return (*found, *flags, *segmentation.warnings, NOTICE)


def sentence(segments: list[Segment], segmentation: Segmentation) -> str:
    """Describes one bone: intact, or its fragments and the widest gap between them."""
    first = segments[0]
    name = bone_name(first)
    if first.fragment is None:
        return f"{name}: no fracture found, {first.volume_ml:.0f} ml."
    volumes = ", ".join(f"{segment.volume_ml:.1f}" for segment in segments)
    count = f"{len(segments)} fragment{'' if len(segments) == 1 else 's'}"
    return f"{name}: {count} of {volumes} ml{widest(segments, segmentation)}."


def bone_name(segment: Segment) -> str:
    """Returns the name of a segment's bone with its side."""
    side = "" if segment.laterality is None else f", {segment.laterality.meaning.lower()}"
    return f"{segment.region.meaning}{side}"


def widest(segments: list[Segment], segmentation: Segmentation) -> str:
    """Describes the greatest gap between the fragments of a bone, and the greatest mean gap of one
    of them.
    """
    values = {segment.value for segment in segments}
    gaps = [row.gap for row in segmentation.measurements if row.value in values and row.gap]
    if not gaps:
        return ""
    greatest = max(gap.greatest_mm for gap in gaps)
    mean = max(gap.mean_mm for gap in gaps)
    return f"; gaps of up to {greatest:.1f} mm, on average up to {mean:.1f} mm"
