"""The content of the HTML report as plain text, in its order."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from operators.measure.flags import MEANINGS
from operators.packages.confidence import percent
from operators.segmentation.measurements import Measured, SegmentMeasurements
from operators.segmentation.segmentation import Flag, Segment, Segmentation
from operators.segmentation.summary import bone_name, fragment_name

NONE = "–"  # a value that was not measured, or not calibrated


@dataclass(frozen=True)
class Row:
    """A line of the table: an intact bone, a broken one (`count` fragments, no colour), or a fragment."""

    name: str
    colour: str
    count: int
    volume: str
    diameter: str
    displacement: str
    gap: str
    rotation: str
    translation: str
    confidence: str
    fracture: str
    flags: tuple[str, ...]


def rows_of(made: Segmentation) -> list[Row]:
    """Returns a row for every bone, followed by its fragments if it is broken."""
    measured = {row.value: row for row in made.measurements}
    found = []
    for _, group in groupby(made.segments, key=lambda segment: segment.bone):
        segments = list(group)
        if segments[0].fragment is not None:
            found.append(broken_bone(segments, made.flags))
        found.extend(segment_row(segment, measured.get(segment.value), made.flags) for segment in segments)
    return found


def broken_bone(segments: list[Segment], flags: tuple[Flag, ...]) -> Row:
    """Returns the row of a broken bone."""
    first, volume_ml = segments[0], sum(segment.volume_ml for segment in segments)
    return Row(
        bone_name(first),
        "",
        len(segments),
        f"{volume_ml:.1f} ml",
        NONE,
        NONE,
        NONE,
        NONE,
        NONE,
        percent(first.bone_probability),
        percent(first.fracture_probability),
        meanings(flags, {segment.value for segment in segments}),
    )


def segment_row(segment: Segment, row: SegmentMeasurements | None, flags: tuple[Flag, ...]) -> Row:
    """Returns the row of an intact bone, or of a fragment."""
    whole = segment.fragment is None
    name = bone_name(segment) if whole else fragment_name(segment, row)
    moved, gap = (row.displacement, row.gap) if row else (None, None)
    return Row(
        name,
        colour_of(segment),
        0,
        number(Measured(row.volume_mm3.value / 1000, (row.volume_mm3.uncertainty or 0) / 1000), "ml")
        if row
        else f"{segment.volume_ml:.1f} ml",
        number(row.diameter_mm, "mm") if row else NONE,
        f"{gap.mean_mm:.1f} mm (95 %: {gap.p95_mm:.1f})" if gap else NONE,
        number(Measured(gap.greatest_mm, gap.uncertainty_mm), "mm") if gap else NONE,
        number(moved.rotation_deg, "°") if moved else NONE,
        number(moved.translation_mm, "mm") if moved else NONE,
        percent(segment.confidence),
        percent(segment.fracture_probability) if whole else NONE,
        () if not whole else meanings(flags, {segment.value}),
    )


def colour_of(segment: Segment) -> str:
    """Returns the segment's colour in CSS notation."""
    return f"#{bytes(segment.rgb).hex()}"


def number(measured: Measured, unit: str) -> str:
    """Returns a measured value, with its error if there is one."""
    error = f" ± {measured.uncertainty:.1f}" if measured.uncertainty else ""
    return f"{measured.value:.1f}{error} {unit}"


def meanings(flags: tuple[Flag, ...], values: set[int]) -> tuple[str, ...]:
    """Returns the meanings of the flags of a bone or one of its fragments, each once."""
    found = (MEANINGS[flag.code] for flag in flags if values & set(flag.values))
    return tuple(dict.fromkeys(found))
