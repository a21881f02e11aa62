"""Splits the planes of one DICOM series into stacks, each of which is one volume."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from operators.dicom.geometry import Layout, Stack, lay_out
from operators.dicom.phases import Phase, separate
from operators.dicom.planes import Plane, Vector

# 0.001 in a direction cosine moves the far corner of a 500 mm image by 0.5 mm, less than a pixel.
ORIENTATION_TOLERANCE = 1e-3
# The same at the far corner of 512 pixels.
SPACING_TOLERANCE_MM = 1e-3


class Kind(NamedTuple):
    """What the slices of one volume must share; the last two are numbers of clusters, -1 for none."""

    frame_of_reference: str
    matrix_size: tuple[int, int]
    localizer: bool
    orientation: int
    pixel_spacing: int
    located: bool


@dataclass(frozen=True, eq=False)
class Part:
    """One volume's planes and their layout; `label` is '' for a series that is one volume."""

    planes: tuple[Plane, ...]
    layout: Layout
    label: str
    warnings: tuple[str, ...]


def split(planes: Sequence[Plane]) -> list[Part]:
    """All parts; every plane is in exactly one, exact duplicates counted once."""
    unique, warnings = _without_duplicates(planes)
    kinds = _by_kind(unique)
    differing = _differing(kinds)
    parts = []
    for n, (kind, members) in enumerate(sorted(kinds.items(), key=lambda pair: pair[0]), 1):
        label = f"part {n} of {len(kinds)} by {', '.join(differing)}" if differing else ""
        parts += _located_parts(members, label) if kind.located else [_unlocated(members, label)]
    return [_with_warnings(part, warnings) for part in parts]


def is_localizer(image_type: Sequence[str]) -> bool:
    """PS3.3 C.8.2.1.1.1: value 3 of a CT's ImageType."""
    return "LOCALIZER" in image_type


def _without_duplicates(planes: Sequence[Plane]) -> tuple[list[Plane], tuple[str, ...]]:
    unique: dict[tuple[str, int], Plane] = {}
    ordered = sorted(planes, key=lambda plane: (plane.order, plane.position or (), repr(plane.pixels)))
    for plane in ordered:
        unique.setdefault(plane.order, plane)
    double = len(ordered) - len(unique)
    warning = f"{double} images were there more than once and are counted once"
    return list(unique.values()), (warning,) if double else ()


def _by_kind(planes: Iterable[Plane]) -> dict[Kind, list[Plane]]:
    orientations: list[Vector] = []
    spacings: list[Vector] = []
    kinds: dict[Kind, list[Plane]] = {}
    for plane in planes:
        kind = Kind(
            plane.frame_of_reference_uid,
            (plane.rows, plane.columns),
            is_localizer(plane.image_type),
            _cluster(plane.orientation, orientations, ORIENTATION_TOLERANCE),
            _cluster(plane.spacing_mm, spacings, SPACING_TOLERANCE_MM),
            None not in (plane.position, plane.orientation, plane.spacing_mm),
        )
        kinds.setdefault(kind, []).append(plane)
    return kinds


def _cluster(value: Vector | None, seen: list[Vector], tolerance: float) -> int:
    """The number of the first value seen that is this one within the tolerance."""
    if value is None:
        return -1
    for n, other in enumerate(seen):
        if max(abs(a - b) for a, b in zip(value, other, strict=True)) <= tolerance:
            return n
    seen.append(value)
    return len(seen) - 1


def _differing(kinds: Iterable[Kind]) -> list[str]:
    columns = zip(*kinds, strict=True)
    names = (name.replace("_", " ") for name in Kind._fields)
    return [name for name, values in zip(names, columns, strict=True) if len(set(values)) > 1]


def _unlocated(planes: Sequence[Plane], label: str) -> Part:
    return Part(tuple(planes), Layout(kept=tuple(range(len(planes))), fault=_missing(planes[0])), label, ())


def _missing(plane: Plane) -> tuple[str, str]:
    if plane.rows == 0 or plane.pixels is None:
        return "no_image", "expected images, got instances without pixels"
    wanted = {
        "ImagePositionPatient": ("missing_position", plane.position),
        "ImageOrientationPatient": ("missing_orientation", plane.orientation),
        "PixelSpacing": ("missing_spacing", plane.spacing_mm),
    }
    keyword, code = next((name, code) for name, (code, value) in wanted.items() if value is None)
    return code, f"expected {keyword}, got none"


def _located_parts(planes: Sequence[Plane], label: str) -> list[Part]:
    stack = _stack(planes)
    depths = dict(zip((plane.order for plane in planes), stack.depths_mm.tolist(), strict=True))
    phases = separate(planes, lambda plane: depths[plane.order])
    return [part for phase in phases for part in _phase_parts(phase, label)]


def _stack(planes: Sequence[Plane]) -> Stack:
    first = planes[0]
    return Stack(
        np.array([plane.position for plane in planes], dtype=np.float64),
        first.orientation or (),
        first.spacing_mm or (),
        first.rows,
        first.columns,
        first.frame_of_reference_uid,
    )


def _phase_parts(phase: Phase, label: str) -> list[Part]:
    """The phase, and the slices that lie off its grid as parts of their own."""
    layout = lay_out(_stack(phase.planes))
    named = ", ".join(filter(None, (label, phase.label)))
    part = Part(phase.planes, layout, named, (*phase.warnings, *layout.warnings))
    if not layout.aside:
        return [part]
    strays = tuple(phase.planes[n] for n in layout.aside)
    named = ", ".join(filter(None, (named, "slices off the grid")))
    return [part, *_phase_parts(Phase(strays, "", ()), named)]


def _with_warnings(part: Part, warnings: tuple[str, ...]) -> Part:
    return Part(part.planes, part.layout, part.label, (*part.warnings, *warnings))
