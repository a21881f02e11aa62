"""Tells apart several acquisitions of one DICOM series that lie at the same positions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

from operators.dicom.attributes import hint
from operators.dicom.planes import Plane

# Two slices nearer than this are at one position: positions are written with 2 decimals or more.
SAME_POSITION_MM = 0.01
# Up to this share of positions with a second slice it is a repeat of slices, not a second phase.
REPEATED_SHARE = 0.1
# Two acquisitions whose ranges overlap by more than this share of the shorter one lie interleaved.
INTERLEAVED_SHARE = 0.5

Value = tuple[int, float, str, int]


@dataclass(frozen=True)
class Attribute:
    """A name, and the keywords that may hold it: of the multi-frame functional group first."""

    name: str
    keywords: tuple[str, ...]


# PS3.3 C.7.6.16.2.2, C.7.6.2.1.5, C.7.6.16.2.7, C.8.2.1: what distinguishes phases, surest first.
_ACQUISITION = Attribute("acquisition number", ("FrameAcquisitionNumber", "AcquisitionNumber"))
_TEMPORAL = Attribute("temporal position", ("TemporalPositionIndex", "TemporalPositionIdentifier"))
_CARDIAC = Attribute("cardiac phase", ("NominalPercentageOfCardiacPhase", "TriggerTime"))
_ACQUIRED = Attribute(
    "acquisition time", ("FrameAcquisitionDateTime", "AcquisitionDateTime", "AcquisitionTime")
)
_CONTENT = Attribute("content time", ("ContentTime",))
_INSTANCE = Attribute("instance number", ("InstanceNumber",))
_STACK = Attribute("stack", ("StackID",))
_TYPE = Attribute("image type", ("FrameType", "ImageType"))
_VOLTAGE = Attribute("tube voltage", ("KVP",))
_KERNEL = Attribute("kernel", ("ConvolutionKernel",))

BY_VALUE = (_ACQUISITION, _TEMPORAL, _CARDIAC, _STACK, _TYPE, _VOLTAGE, _KERNEL, _ACQUIRED, _CONTENT)
BY_ORDER = (_ACQUISITION, _TEMPORAL, _CARDIAC, _ACQUIRED, _CONTENT, _INSTANCE)
INTERLEAVED_BY = (_ACQUISITION, _TEMPORAL)


@dataclass(frozen=True, eq=False)
class Phase:
    """Slices of which no two lie at one position."""

    planes: tuple[Plane, ...]
    label: str = ""
    warnings: tuple[str, ...] = ()


def separate(planes: Sequence[Plane], depth_mm: Callable[[Plane], float]) -> list[Phase]:
    """One phase where every slice has a position to itself."""
    positions = _positions(planes, depth_mm)
    most = max(map(len, positions))
    if most == 1:
        return _interleaved(planes, depth_mm) or [Phase(tuple(planes))]
    if sum(len(here) > 1 for here in positions) <= REPEATED_SHARE * len(positions):
        return _repeats(positions)
    return _by_value(planes, positions, most) or _by_order(positions)


def _positions(planes: Sequence[Plane], depth_mm: Callable[[Plane], float]) -> list[list[Plane]]:
    ordered = sorted(planes, key=lambda plane: (depth_mm(plane), plane.order))
    positions: list[list[Plane]] = []
    for plane in ordered:
        if positions and depth_mm(plane) - depth_mm(positions[-1][0]) <= SAME_POSITION_MM:
            positions[-1].append(plane)
        else:
            positions.append([plane])
    return positions


def value_of(plane: Plane, attribute: Attribute) -> Value:
    """Comparable: numbers by size and before words; missing first; frames of an instance in order."""
    number = plane.origin.frame_number or 0 if attribute is _INSTANCE else 0
    for keyword in attribute.keywords:
        found = hint(plane.sources, keyword)
        if found:
            try:
                return 1, float(found), "", number
            except ValueError:
                return 2, 0.0, found, number
    return 0, 0.0, "", number


def _grouped(planes: Sequence[Plane], attribute: Attribute) -> dict[Value, list[Plane]]:
    groups: dict[Value, list[Plane]] = {}
    for plane in planes:
        groups.setdefault(value_of(plane, attribute), []).append(plane)
    return dict(sorted(groups.items()))


def _by_value(planes: Sequence[Plane], positions: list[list[Plane]], most: int) -> list[Phase]:
    """Phases by the first attribute that has one value for each, and repeats none at a position."""
    for attribute in BY_VALUE:
        groups = _grouped(planes, attribute)
        if len(groups) == most and _tells_apart(positions, attribute):
            return _labelled([tuple(group) for group in groups.values()], attribute.name)
    return []


def _tells_apart(positions: list[list[Plane]], attribute: Attribute) -> bool:
    return all(len({value_of(plane, attribute) for plane in here}) == len(here) for here in positions)


def _by_order(positions: list[list[Plane]]) -> list[Phase]:
    """Phases by the order of an attribute at each position; by UID where nothing else differs."""
    for attribute in BY_ORDER:
        if _tells_apart(positions, attribute):
            return _labelled(_ranked(positions, (attribute,)), f"order of {attribute.name}")
    warning = "slices at the same positions differ in nothing but their UID"
    return _labelled(_ranked(positions, (_INSTANCE,)), "order of UID", (warning,))


def _ranked(positions: list[list[Plane]], attributes: Sequence[Attribute]) -> list[tuple[Plane, ...]]:
    def place(plane: Plane) -> tuple[list[Value], tuple[str, int]]:
        return [value_of(plane, attribute) for attribute in attributes], plane.order

    ordered = [sorted(here, key=place) for here in positions]
    return [tuple(here[n] for here in ordered if len(here) > n) for n in range(max(map(len, positions)))]


def _labelled(groups: Sequence[tuple[Plane, ...]], by: str, warnings: tuple[str, ...] = ()) -> list[Phase]:
    return [
        Phase(group, f"phase {n} of {len(groups)}", (f"split into phases by {by}", *warnings))
        for n, group in enumerate(groups, 1)
    ]


def _repeats(positions: list[list[Plane]]) -> list[Phase]:
    """The first slice at each position in one part, the few others in further ones."""
    first, *others = _ranked(positions, (_ACQUISITION, _ACQUIRED, _INSTANCE))
    count = sum(map(len, others))
    warning = f"{count} slices repeat the position of another and are left out"
    rest = [Phase(planes, f"repeated slices {n}") for n, planes in enumerate(others, 1)]
    return [Phase(first, "", (warning,)), *rest]


def _interleaved(planes: Sequence[Plane], depth_mm: Callable[[Plane], float]) -> list[Phase]:
    """Acquisitions that cover one range with slices between each other's; [] where there are none."""
    for attribute in INTERLEAVED_BY:
        groups = _grouped(planes, attribute)
        if len(groups) < 2 or min(map(len, groups.values())) < 3:
            continue
        ranges = [sorted(map(depth_mm, group)) for group in groups.values()]
        if any(_overlap(a, b) > INTERLEAVED_SHARE for a, b in combinations(ranges, 2)):
            return _labelled([tuple(group) for group in groups.values()], attribute.name)
    return []


def _overlap(a: list[float], b: list[float]) -> float:
    common = min(a[-1], b[-1]) - max(a[0], b[0])
    return common / min(a[-1] - a[0], b[-1] - b[0])
