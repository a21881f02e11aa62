"""Splits the planes of one DICOM series into stacks, each of which is one volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from operators.dicom.elements.attributes import hint
from operators.dicom.headers.planes import Plane
from operators.dicom.read.frames_of_reference import in_one_frame
from operators.dicom.read.geometry import Layout, Stack, lay_out, plane_fault
from operators.dicom.read.kinds import by_kind, differing, spread, stack_of
from operators.dicom.read.phases import SAME_POSITION_MM, Phase, separate_phases
from operators.dicom.read.rounded_positions import even_out
from operators.dicom.read.slice_order import ASIDE_SHARE, even_runs, longest_stretch

Order = tuple[str, int]
# With fewer positions, and more images at each than that, no part is a volume; mostly one slice imaged in
# motion.
FEW_POSITIONS = 10


@dataclass(frozen=True, eq=False)
class SeriesPart:
    """One volume's planes and their layout; `label` is '' for a series that is one volume."""

    planes: tuple[Plane, ...]
    layout: Layout
    label: str
    warnings: tuple[str, ...]


def split_series(planes: Sequence[Plane]) -> list[SeriesPart]:
    """Returns all parts; every plane is in exactly one, exact duplicates count once."""
    ordered = sorted(planes, key=lambda plane: plane.order)
    double = len(ordered) - len({plane.order for plane in ordered})
    shared = _under_one_uid(ordered) if double else None
    if shared:
        return [_faulty(ordered, "", shared)]
    unique, warnings = _without_duplicates(ordered) if double else (ordered, ())
    unique, of_frames = in_one_frame(unique)
    kinds = by_kind(unique)
    names = ", ".join(differing(kinds))
    parts = []
    for n, (kind, members) in enumerate(sorted(kinds.items(), key=lambda pair: pair[0]), 1):
        label = f"part {n} of {len(kinds)} by {names}" if names else ""
        others = sum(len(each) for key, each in kinds.items() if key != kind and not key.localizer)
        unlocated = None if kind.position_given else _missing(members[0])
        found = [_faulty(members, label, unlocated)] if unlocated else _located_parts(members, label)
        parts += [with_warnings(part, _loss(others, names)) for part in found]
    return [with_warnings(part, (*warnings, *of_frames)) for part in parts]


def with_warnings(part: SeriesPart, warnings: tuple[str, ...]) -> SeriesPart:
    """Returns the part with further warnings after its own."""
    return replace(part, warnings=(*part.warnings, *warnings))


def _loss(others: int, names: str) -> tuple[str, ...]:
    if not others:
        return ()
    return (f"{others} other slices of the series are not in this volume: they differ in {names}",)


def _place(plane: Plane) -> tuple[object, ...]:
    """Returns what copies of one image share: its position, or its number if that is missing."""
    number = hint(plane.sources, "InstanceNumber") if plane.position is None else ""
    return plane.position, plane.orientation, plane.rows, plane.columns, number


def _under_one_uid(planes: Sequence[Plane]) -> tuple[str, str] | None:
    """Returns a fault if different images share a UID, as no result could refer to one of them; else None."""
    places: dict[Order, set[tuple[object, ...]]] = {}
    for plane in planes:
        places.setdefault(plane.order, set()).add(_place(plane))
    images = sum(len(each) for each in places.values() if len(each) > 1)
    if not images:
        return None
    uids = sum(len(each) > 1 for each in places.values())
    text = f"expected one SOPInstanceUID for each image, got {uids} for {images} different images"
    return "shared_uid", text


def _without_duplicates(planes: Sequence[Plane]) -> tuple[list[Plane], tuple[str, ...]]:
    unique: dict[Order, Plane] = {}
    ordered = sorted(planes, key=lambda plane: (plane.order, plane.position or (), repr(plane.pixels)))
    for plane in ordered:
        unique.setdefault(plane.order, plane)
    double = len(ordered) - len(unique)
    return list(unique.values()), (f"{double} images were found more than once and count once",)


def _faulty(planes: Sequence[Plane], label: str, fault: tuple[str, str]) -> SeriesPart:
    return SeriesPart(tuple(planes), Layout(kept=tuple(range(len(planes))), fault=fault), label, ())


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


def _located_parts(planes: Sequence[Plane], label: str) -> list[SeriesPart]:
    stack = stack_of(planes)
    fault = plane_fault(stack) or _position_fault(stack)
    if fault:
        return [_faulty(planes, label, fault)]
    planes, rounded = even_out(planes, stack)
    if rounded:
        stack = stack_of(planes)
    depths = dict(zip((plane.order for plane in planes), stack.depths_mm.tolist(), strict=True))
    phases = separate_phases(planes, lambda plane: depths[plane.order])
    return [with_warnings(part, rounded) for phase in phases for part in _phase_parts(phase, label)]


def _position_fault(stack: Stack) -> tuple[str, str] | None:
    """Returns why no volume can be made of the slices, one sentence for all of many parts; else None."""
    images = len(stack.origins)
    if images < 2:
        return None
    if np.ptp(stack.origins, axis=0).max() <= SAME_POSITION_MM:
        return "one_position", f"expected a different position for each of {images} images, got one for all"
    gaps = np.diff(np.sort(stack.depths_mm)) > SAME_POSITION_MM
    positions = 1 + int(np.count_nonzero(gaps))
    if positions == 1:
        return "irregular_position", f"expected slices one behind the other, got {images} side by side"
    if positions < FEW_POSITIONS and images > positions * positions:
        return "few_positions", f"expected a stack of slices, got {images} images at {positions} positions"
    return None


def _phase_parts(phase: Phase, label: str) -> list[SeriesPart]:
    """Returns the part of a phase, and parts for the slices off its grid."""
    stack = stack_of(phase.planes)
    named = ", ".join(filter(None, (label, phase.label)))
    fault = _position_fault(stack)
    if fault:
        return [_faulty(phase.planes, named, fault)]
    layout = lay_out(stack)
    if layout.fault and layout.fault[0] == "missing_slices":
        apart = _runs(phase, stack) or _without_far_ones(phase, stack)
        if apart:
            return [part for each in apart for part in _phase_parts(each, label)]
    warnings = (*phase.warnings, *spread(phase.planes), *layout.warnings)
    part = SeriesPart(phase.planes, layout, named, warnings)
    if not layout.aside:
        return [part]
    strays = tuple(phase.planes[n] for n in layout.aside)
    named = ", ".join(filter(None, (named, "slices off the grid")))
    return [part, *_phase_parts(Phase(strays, "", ()), named)]


def _without_far_ones(phase: Phase, stack: Stack) -> list[Phase]:
    """Separates the few slices far from the others; returns [] if there are none or too many."""
    sequence = np.argsort(stack.depths_mm, kind="stable")
    main = longest_stretch(stack.depths_mm[sequence])
    near = {int(sequence[n]) for n in main}
    far = tuple(plane for n, plane in enumerate(phase.planes) if n not in near)
    if not far or len(far) > ASIDE_SHARE * len(phase.planes):
        return []
    warning = f"slices far from all others were left out: {len(far)}"
    rest = ", ".join(filter(None, (phase.label, "slices far from all others")))
    stack_planes = tuple(plane for n, plane in enumerate(phase.planes) if n in near)
    return [replace(phase, planes=stack_planes, warnings=(*phase.warnings, warning)), Phase(far, rest, ())]


def _runs(phase: Phase, stack: Stack) -> list[Phase]:
    """Returns stretches of slices at even distances if a protocol has several; else []."""
    sequence = np.argsort(stack.depths_mm, kind="stable")
    depths_mm = stack.depths_mm[sequence]
    runs = even_runs(depths_mm)
    if not runs:
        return []
    stretches = ", ".join(f"{len(run)} slices {_apart(depths_mm[run])}" for run in runs)
    warning = f"the distance between slices varies, and each stretch is read separately: {stretches}"
    return [
        Phase(
            tuple(phase.planes[sequence[n]] for n in run),
            ", ".join(filter(None, (phase.label, f"stretch {number} of {len(runs)}"))),
            (*phase.warnings, warning),
        )
        for number, run in enumerate(runs, 1)
    ]


def _apart(depths_mm: np.ndarray) -> str:
    return f"{np.median(np.diff(depths_mm)):.2f} mm apart" if len(depths_mm) > 1 else "by itself"
