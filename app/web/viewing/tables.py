"""The tables beside the images as plain text: segments with their measurements, and fractures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from app.run.html.content import NONE
from operators.dicom.seg.seg_reader import SegmentInfo
from operators.packages.confidence import percent

# From these probabilities on, a segment counts as likely and as fairly likely
LIKELY, FAIRLY_LIKELY = 0.9, 0.7
GRADES = {"good": "likely", "warn": "less likely", "bad": "doubtful", "": "not graded"}
# In a column of its own
ELSEWHERE = ("volume_mm3",)
# Of a measured value's name: what the unit is
UNITS = {"mm": " mm", "deg": "°", "hu": " HU", "mm2": " mm²", "mm3": " mm³"}


@dataclass(frozen=True)
class SegmentRow:
    """A segment: its value in the SEG, and what is known of it; `grade` is a row of GRADES."""

    value: int
    name: str
    bone: str
    rgb: tuple[int, int, int]
    probability: float | None
    grade: str
    volume: str
    measurements: tuple[str, ...]

    @property
    def colour(self) -> str:
        """Returns the colour in CSS notation."""
        return f"#{bytes(self.rgb).hex()}"

    @property
    def percent(self) -> str:
        """Returns the probability as text."""
        return percent(self.probability)


@dataclass(frozen=True)
class FractureRow:
    """A fracture between two fragments, or one of a fragment alone; `values` are their segments."""

    bone: str
    between: str
    values: tuple[int, ...]
    probability: str
    gap: str
    displacement: str


def segment_rows(infos: Sequence[SegmentInfo], report: Mapping[str, Any]) -> list[SegmentRow]:
    """Returns a row for each segment of a SEG; without a report only what the SEG says."""
    known = {(each["bone"], each["fragment"]): each for each in report.get("segments", ())}
    return [segment_row(info, known.get((info.bone, info.fragment), {})) for info in infos]


def segment_row(info: SegmentInfo, known: Mapping[str, Any]) -> SegmentRow:
    """Returns the row of one segment."""
    probability = known.get("confidence")
    volume = f"{known['volume_ml']:.1f} ml" if "volume_ml" in known else NONE
    found = (*values_in(known.get("measurements", {})), *values_in(known.get("whole_bone", {})))
    return SegmentRow(
        info.value, info.label, info.bone, info.rgb, probability, grade_of(probability), volume, tuple(found)
    )


def grade_of(probability: float | None) -> str:
    """Returns how likely a segment is, a row of GRADES."""
    if probability is None:
        return ""
    return "good" if probability >= LIKELY else "warn" if probability >= FAIRLY_LIKELY else "bad"


def values_in(measured: Mapping[str, Any], words: tuple[str, ...] = (), unit: str = "") -> Iterator[str]:
    """Yields the numbers of a report's measurements, each with its name, unit and error.

    A name ends with its unit, or stands within one that does.
    """
    for name, part in measured.items():
        if name in ELSEWHERE:
            continue
        *own, last = name.split("_")
        own_unit = last if last in UNITS else unit
        called = (*words, *own) if last in UNITS else (*words, *own, last)
        if isinstance(part, Mapping) and "value" in part:
            error = f" ± {part['uncertainty']:.1f}" if part.get("uncertainty") else ""
            yield f"{' '.join(called)} {part['value']:.1f}{error}{UNITS.get(own_unit, '')}"
        elif isinstance(part, Mapping):
            yield from values_in(part, called, own_unit)
        elif isinstance(part, float) and own_unit:
            yield f"{' '.join(called)} {part:.1f}{UNITS[own_unit]}"


def fracture_rows(infos: Sequence[SegmentInfo], report: Mapping[str, Any]) -> list[FractureRow]:
    """Returns a row for each contact of fragments; for a bone without any, one for each lesser fragment."""
    known = {(each["bone"], each["fragment"]): each for each in report.get("segments", ())}
    rows: list[FractureRow] = []
    broken = sorted((info for info in infos if info.fragment), key=lambda info: info.bone)
    for bone, group in groupby(broken, key=lambda info: info.bone):
        fragments = {info.fragment: info for info in group}
        contacts = [each for each in report.get("contacts", ()) if each["bone"] == bone]
        pairs = [(tuple(each["fragments"]), each["probability"]) for each in contacts]
        alone = [((number,), None) for number in fragments if number != 1]
        for numbers, probability in pairs or alone:
            own = [fragments[number] for number in numbers if number in fragments]
            row = known.get((bone, max(numbers)), {})
            if own:
                rows.append(fracture_row(own, probability, row))
    return rows


def fracture_row(
    own: Sequence[SegmentInfo], probability: float | None, known: Mapping[str, Any]
) -> FractureRow:
    """Returns the row of one fracture; `known` is the report's row of its lesser fragment."""
    first = own[0]
    measured = known.get("measurements", {})
    gap, moved = measured.get("gap"), measured.get("displacement")
    return FractureRow(
        first.bone.replace("_", " "),
        " – ".join(f"fragment {each.fragment}" for each in own),
        tuple(each.value for each in own),
        percent(known.get("fracture_probability") if probability is None else probability),
        f"{gap['mean_mm']:.1f} mm, at most {gap['greatest_mm']:.1f}" if gap else NONE,
        f"{moved['translation_mm']['value']:.1f} mm, {moved['rotation_deg']['value']:.0f}°"
        if moved
        else NONE,
    )
