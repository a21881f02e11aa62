"""Separates several acquisitions of one DICOM series that lie at the same positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from operators.dicom.headers.planes import Plane
from operators.dicom.read.acquisition import (
    ACQUIRED,
    ACQUISITION,
    CARDIAC,
    CONTENT,
    INSTANCE,
    KERNEL,
    STACK,
    TEMPORAL,
    TYPE,
    VOLTAGE,
    Attribute,
    Value,
    complete_each_other,
    value_of,
)
from operators.dicom.read.passes import join_passes

# Two slices closer than this are at one position: positions are written with 2 decimals or more.
SAME_POSITION_MM = 0.01
# Up to this share of positions with a second slice, slices were repeated; above it there is a second phase.
REPEATED_SHARE = 0.1
# Two acquisitions whose ranges overlap by more than this share of the shorter one are interleaved.
INTERLEAVED_SHARE = 0.5

# Attributes that distinguish phases, the most certain first
BY_VALUE = (ACQUISITION, TEMPORAL, CARDIAC, STACK, TYPE, VOLTAGE, KERNEL, ACQUIRED, CONTENT)
BY_ORDER = (ACQUISITION, TEMPORAL, CARDIAC, ACQUIRED, CONTENT, INSTANCE)
INTERLEAVED_BY = (ACQUISITION, TEMPORAL)


@dataclass(frozen=True, eq=False)
class Phase:
    """A phase: slices, no two at one position."""

    planes: tuple[Plane, ...]
    label: str = ""
    warnings: tuple[str, ...] = ()


def separate_phases(planes: Sequence[Plane], depth_mm: Callable[[Plane], float]) -> list[Phase]:
    """Splits slices into phases; returns one phase if every slice has a position to itself."""
    positions = _positions(planes, depth_mm)
    most = max(map(len, positions))
    if most == 1:
        return _interleaved(planes, depth_mm) or [Phase(tuple(planes))]
    if sum(len(here) > 1 for here in positions) <= REPEATED_SHARE * len(positions):
        return _repeats(positions)
    return _by_value(planes, positions, depth_mm) or _by_order(positions)


def _positions(planes: Sequence[Plane], depth_mm: Callable[[Plane], float]) -> list[list[Plane]]:
    ordered = sorted(planes, key=lambda plane: (depth_mm(plane), plane.order))
    positions: list[list[Plane]] = []
    for plane in ordered:
        if positions and depth_mm(plane) - depth_mm(positions[-1][0]) <= SAME_POSITION_MM:
            positions[-1].append(plane)
        else:
            positions.append([plane])
    return positions


def _grouped(planes: Sequence[Plane], attribute: Attribute) -> dict[Value, list[Plane]]:
    groups: dict[Value, list[Plane]] = {}
    for plane in planes:
        groups.setdefault(value_of(plane, attribute), []).append(plane)
    return dict(sorted(groups.items()))


def _by_value(
    planes: Sequence[Plane], positions: list[list[Plane]], depth_mm: Callable[[Plane], float]
) -> list[Phase]:
    """Returns phases by the first attribute with one value a phase, and none twice at a position."""
    most = max(map(len, positions))
    for attribute in BY_VALUE:
        groups = list(_grouped(planes, attribute).values())
        if len(groups) < most or not _tells_apart(positions, attribute):
            continue
        following = _following(groups, depth_mm, attribute.name)
        if following or len(groups) == most:
            return following or _labelled(groups, attribute.name)
    return []


def _following(groups: Sequence[Sequence[Plane]], depth_mm: Callable[[Plane], float], by: str) -> list[Phase]:
    """Returns passes that follow each other as one phase, then what was left out; [] if they do not."""
    joined = join_passes(groups, depth_mm)
    if joined is None:
        return []
    warning = (
        f"{joined.count} passes by {by} follow each other and are read as one: "
        f"{len(joined.left_out)} slices where they overlap were left out"
    )
    overlap = [Phase(joined.left_out, "overlap of passes")] if joined.left_out else []
    others = [Phase(planes, f"other pass {n}") for n, planes in enumerate(joined.others, 1)]
    return [Phase(joined.kept, "", (warning,)), *overlap, *others]


def _tells_apart(positions: list[list[Plane]], attribute: Attribute) -> bool:
    return all(len({value_of(plane, attribute) for plane in here}) == len(here) for here in positions)


def _by_order(positions: list[list[Plane]]) -> list[Phase]:
    """Returns phases by the order of an attribute at each position; by UID if nothing else differs."""
    for attribute in BY_ORDER:
        if _tells_apart(positions, attribute):
            return _labelled(_ranked(positions, (attribute,)), f"order of {attribute.name}")
    warning = "slices at the same positions differ only in their UID"
    return _labelled(_ranked(positions, (INSTANCE,)), "order of UID", (warning,))


def _ranked(positions: list[list[Plane]], attributes: Sequence[Attribute]) -> list[tuple[Plane, ...]]:
    def place(plane: Plane) -> tuple[list[Value], tuple[str, int]]:
        return [value_of(plane, attribute) for attribute in attributes], plane.order

    ordered = [sorted(here, key=place) for here in positions]
    return [tuple(here[n] for here in ordered if len(here) > n) for n in range(max(map(len, positions)))]


def _labelled(groups: Sequence[Sequence[Plane]], by: str, warnings: tuple[str, ...] = ()) -> list[Phase]:
    return [
        Phase(tuple(group), f"phase {n} of {len(groups)}", (f"split into phases by {by}", *warnings))
        for n, group in enumerate(groups, 1)
    ]


def _repeats(positions: list[list[Plane]]) -> list[Phase]:
    """Returns the first slice at each position as one phase, and the few others as further ones.

    Slices repeated at one position, to watch contrast medium arrive, are one phase.
    """
    first, *others = _ranked(positions, (ACQUISITION, ACQUIRED, INSTANCE))
    count = sum(map(len, others))
    warning = f"{count} slices repeat the position of another and were left out"
    stacks = [planes for planes in others if len(planes) > 1]
    single = tuple(plane for planes in others if len(planes) == 1 for plane in planes)
    rest = [Phase(planes, f"repeated slices {n}") for n, planes in enumerate([*stacks, single], 1) if planes]
    return [Phase(first, "", (warning,)), *rest]


def _interleaved(planes: Sequence[Plane], depth_mm: Callable[[Plane], float]) -> list[Phase]:
    """Returns acquisitions with slices between each other's; [] if there are none, or they are one scan."""
    for attribute in INTERLEAVED_BY:
        groups = list(_grouped(planes, attribute).values())
        if len(groups) < 2 or min(map(len, groups)) < 3:
            continue
        ranges = [sorted(map(depth_mm, group)) for group in groups]
        if not any(_overlap(a, b) > 0 for a, b in combinations(ranges, 2)):
            continue
        if complete_each_other(groups, depth_mm):
            return []
        following = _following(groups, depth_mm, attribute.name)
        if following:
            return following
        if any(_overlap(a, b) > INTERLEAVED_SHARE for a, b in combinations(ranges, 2)):
            warning = f"{len(planes)} slices in all: the slices between these are in other parts"
            return _labelled(groups, attribute.name, (warning,))
    return []


def _overlap(a: list[float], b: list[float]) -> float:
    common = min(a[-1], b[-1]) - max(a[0], b[0])
    return common / min(a[-1] - a[0], b[-1] - b[0])
