"""Summarises a study's findings in plain sentences."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby

from operators.packages.confidence import percent
from operators.segmentation.body_words import body_words, is_compressed
from operators.segmentation.measurements import (
    FractureRegion,
    HeadSphere,
    LongBone,
    Measured,
    NotMeasurable,
    Place,
    SegmentMeasurements,
    VertebralBody,
)
from operators.segmentation.radiograph_answer import FractureFinding, RadiographAnswer, Verdict
from operators.segmentation.segmentation import Segment, Segmentation

UNCHECKED = "Found by an algorithm, not checked by a person"
CORRECTED = "Found by an algorithm, corrected by a person"
RESEARCH = "For research, not for diagnosis."
NOTICE = f"{UNCHECKED}. {RESEARCH}"

NOT_RULED_OUT = "The absence of a finding does not rule out a fracture."


def summary(segmentation: Segmentation) -> tuple[str, ...]:
    """Returns a sentence for each finding, the flags, the warnings, and who found it."""
    answer = segmentation.answer
    found = answer_sentences(answer) if answer else bone_sentences(segmentation)
    flags = (flag.sentence for flag in segmentation.flags)
    return (*found, *flags, *segmentation.warnings, f"{finder(segmentation)}. {RESEARCH}")


def finder(segmentation: Segmentation) -> str:
    """Returns who found what is shown, without a full stop."""
    return CORRECTED if segmentation.correction else UNCHECKED


def bone_sentences(segmentation: Segmentation) -> tuple[str, ...]:
    """Returns a sentence for each bone."""
    bones = groupby(segmentation.segments, key=lambda segment: segment.bone)
    return tuple(sentence(list(group), segmentation) for _, group in bones)


def answer_sentences(answer: RadiographAnswer) -> tuple[str, ...]:
    """Returns the verdict on a radiograph, what it shows, and a sentence for each finding."""
    findings = (
        f"{finding_name(each)}: {percent(each.probability)}, {area(each)}." for each in answer.findings
    )
    return (verdict_sentence(answer), shown(answer), *findings)


def verdict_sentence(answer: RadiographAnswer) -> str:
    """Returns the verdict with its probability and threshold, and the number of outlined findings."""
    at = f"({percent(answer.probability)}; {threshold_words(answer)})"
    words = {
        Verdict.FRACTURE: f"Fracture {at}.",
        Verdict.UNCERTAIN: f"Uncertain whether there is a fracture {at}.",
        Verdict.NO_FRACTURE: f"No fracture found {at}. {NOT_RULED_OUT}",
    }
    return f"{words[answer.verdict]} {outlined(answer)}"


def threshold_words(answer: RadiographAnswer) -> str:
    """Returns the threshold of the probability, with the name of the operating point if it has one."""
    name = f"{answer.operating_point} " if answer.operating_point.isalpha() else ""
    return f"{name}threshold {percent(answer.threshold)}"


def outlined(answer: RadiographAnswer) -> str:
    """Says how many fractures are outlined in the image."""
    count = len(answer.findings)
    if not count:
        return "No finding is outlined."
    return f"{count} finding{'' if count == 1 else 's'} {'is' if count == 1 else 'are'} outlined."


def shown(answer: RadiographAnswer) -> str:
    """Says what the image shows: body part, side and view."""
    side = f", {answer.laterality}" if answer.laterality in ("left", "right") else ""
    part, view = answer.body_part, answer.view
    seen = f"view: {view.name} ({percent(view.probability)})"
    return f"Body part: {part.name}{side} ({percent(part.probability)}); {seen}."


def finding_name(finding: FractureFinding) -> str:
    """Returns the name of a finding, which is that of its segment."""
    return f"Fracture {finding.value}"


def area(finding: FractureFinding) -> str:
    """Returns the area of a finding, in mm2 if the pixel spacing is known."""
    if finding.area_mm2 is None:
        return f"{finding.area_pixels} pixels"
    return f"{finding.area_mm2:.0f} mm²"


def sentence(segments: list[Segment], segmentation: Segmentation) -> str:
    """Describes one bone: intact, or its fragments and the widest gap between them."""
    first = segments[0]
    name = bone_name(first)
    body = body_of(first, segmentation)
    names = {segment.value: bone_name(segment) for segment in segmentation.segments}
    more = long_bone_words(first, segmentation) + body_words(body, names)
    if first.fragment is None:
        what = "no fragment found" if is_compressed(body) else "no fracture found"
        return f"{name}: {what}, {first.volume_ml:.0f} ml{more}."
    places = {row.value: place_words(row.place) for row in segmentation.measurements}
    volumes = ", ".join(with_place(each, places.get(each.value, "")) for each in segments)
    count = f"{len(segments)} fragment{'' if len(segments) == 1 else 's'}"
    return f"{name}: {count} of {volumes}{widest(segments, segmentation)}{more}."


def with_place(segment: Segment, place: str) -> str:
    """Returns a fragment's volume, and in brackets its place on the bone if it is known."""
    return f"{segment.volume_ml:.1f} ml{f' ({place})' if place else ''}"


def fragment_name(segment: Segment, row: SegmentMeasurements | None) -> str:
    """Returns a fragment's number, with its part or its place on the bone if one is known."""
    where = segment.part or (place_words(row.place) if row else "")
    return f"Fragment {segment.fragment}{f': {where}' if where else ''}"


def place_words(place: Place | NotMeasurable | None) -> str:
    """Returns where on its bone a fragment lies, the place that holds most of it first; empty if unknown."""
    return ", ".join(place.names) if isinstance(place, Place) else ""


def long_bone_words(first: Segment, segmentation: Segmentation) -> str:
    """Describes what was measured of a long bone, whose first segment is given."""
    bone = next((row.long_bone for row in segmentation.measurements if row.value == first.value), None)
    return "".join(f"; {name.lower()}: {value}" for name, value in long_bone_values(bone).items())


def body_of(first: Segment, segmentation: Segmentation) -> VertebralBody | None:
    """Returns what was measured of the vertebral body of a bone, whose first segment is given."""
    return next((row.vertebral_body for row in segmentation.measurements if row.value == first.value), None)


def long_bone_values(bone: LongBone | None) -> dict[str, str]:
    """Returns what was measured of a long bone in words, by name; nothing where it was not asked for."""
    if bone is None:
        return {}
    radius = bone.head.radius_mm if isinstance(bone.head, HeadSphere) else bone.head
    found = {
        "Radius of the head": in_words(radius, " mm"),
        "Neck-shaft angle": in_words(bone.neck_shaft_deg, "°"),
        "Length": in_words(bone.length_mm, " mm"),
        "Fracture": in_words(bone.region, ""),
    }
    return {name: value for name, value in found.items() if value}


def in_words(part: Measured | FractureRegion | NotMeasurable | None, unit: str) -> str:
    """Returns a measurement in words, with its error if known, or why there is none."""
    if isinstance(part, Measured):
        error = f" ± {part.uncertainty:.1f}" if part.uncertainty else ""
        return f"{part.value:.1f}{error}{unit}"
    if isinstance(part, NotMeasurable):
        return f"not measurable, {part.reason}"
    return f"{part.code} ({part.meaning})" if part else ""


def bone_name(segment: Segment) -> str:
    """Returns the name of a segment's bone with its side."""
    if segment.level is not None:
        return segment.level.shown
    unknown = " (side unknown)" if segment.side_unknown else ""
    side = unknown if segment.laterality is None else f", {segment.laterality.meaning.lower()}"
    return f"{segment.region.meaning}{side}"


def level_words(level: str, meanings: Mapping[str, str]) -> str:
    """Returns a level in words: the meaning of one or, fused, of two structures."""
    return ", fused with ".join(meanings.get(name, name) for name in level.split("+"))


def widest(segments: list[Segment], segmentation: Segmentation) -> str:
    """Describes the greatest gap between the fragments of a bone, and the greatest mean gap of one."""
    values = {segment.value for segment in segments}
    gaps = [row.gap for row in segmentation.measurements if row.value in values and row.gap]
    if not gaps:
        return ""
    greatest = max(gap.greatest_mm for gap in gaps)
    mean = max(gap.mean_mm for gap in gaps)
    return f"; gaps of up to {greatest:.1f} mm, on average up to {mean:.1f} mm"
