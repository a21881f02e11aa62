"""Compares how slices were acquired and reconstructed, and decides whether two sets of them are one scan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from operators.dicom.elements.attributes import hint
from operators.dicom.headers.planes import Plane

Value = tuple[int, float, str, int]
Depth = Callable[[Plane], float]

# Slices farther apart than this many slice thicknesses leave gaps that others may fill.
COMPLETE_SHARE = 1.5
# As in slice_order: gaps that differ by less are equal.
GAP_TOLERANCE = 0.1


@dataclass(frozen=True)
class Attribute:
    """An attribute's name, and the keywords that may hold it, those of functional groups first."""

    name: str
    keywords: tuple[str, ...]


# PS3.3 C.7.6.16.2.2, C.7.6.2.1.5, C.7.6.16.2.7, C.8.2.1
ACQUISITION = Attribute("acquisition number", ("FrameAcquisitionNumber", "AcquisitionNumber"))
TEMPORAL = Attribute("temporal position", ("TemporalPositionIndex", "TemporalPositionIdentifier"))
CARDIAC = Attribute("cardiac phase", ("NominalPercentageOfCardiacPhase", "TriggerTime"))
ACQUIRED = Attribute(
    "acquisition time", ("FrameAcquisitionDateTime", "AcquisitionDateTime", "AcquisitionTime")
)
CONTENT = Attribute("content time", ("ContentTime",))
INSTANCE = Attribute("instance number", ("InstanceNumber",))
STACK = Attribute("stack", ("StackID",))
TYPE = Attribute("image type", ("FrameType", "ImageType"))
VOLTAGE = Attribute("tube voltage", ("KVP",))
KERNEL = Attribute("kernel", ("ConvolutionKernel",))
THICKNESS = Attribute("slice thickness", ("SliceThickness",))
BODY_PART = Attribute("body part", ("BodyPartExamined",))

# The attributes that all parts of one scan have in common.
OF_A_SCAN = (TYPE, VOLTAGE, KERNEL, THICKNESS, BODY_PART)


def value_of(plane: Plane, attribute: Attribute) -> Value:
    """Returns a comparable value: missing first, then numbers, then words; frames of an instance in order."""
    number = plane.origin.frame_number or 0 if attribute is INSTANCE else 0
    for keyword in attribute.keywords:
        found = hint(plane.sources, keyword)
        if found:
            size = _finite(found)
            return (2, 0.0, found, number) if size is None else (1, size, "", number)
    return 0, 0.0, "", number


def _finite(text: str) -> float | None:
    try:
        size = float(text)
    except ValueError:
        return None
    return size if math.isfinite(size) else None


def acquired_alike(one: Plane, other: Plane) -> bool:
    """Returns whether both have the same image type, tube voltage, kernel, thickness and body part."""
    return all(value_of(one, attribute) == value_of(other, attribute) for attribute in OF_A_SCAN)


def complete_each_other(groups: Sequence[Sequence[Plane]], depth_mm: Depth) -> bool:
    """Returns whether groups of slices that lie between each other's are one scan.

    They are if together they lie at even distances, and no group alone shows everything between its slices:
    its gaps are wider than its slices are thick.
    """
    first = groups[0][0]
    if not all(acquired_alike(first, group[0]) for group in groups[1:]):
        return False
    gaps_mm = _gaps_mm([plane for group in groups for plane in group], depth_mm)
    even = np.ptp(gaps_mm) <= 2 * GAP_TOLERANCE * np.median(gaps_mm)
    return bool(even) and not any(_is_complete(group, depth_mm) for group in groups)


def _is_complete(planes: Sequence[Plane], depth_mm: Depth) -> bool:
    gaps_mm = _gaps_mm(planes, depth_mm)
    _, thickness_mm, _, _ = value_of(planes[0], THICKNESS)
    usual_mm = thickness_mm if thickness_mm > 0 else float(np.median(gaps_mm))
    return bool(gaps_mm.max() <= COMPLETE_SHARE * usual_mm)


def _gaps_mm(planes: Sequence[Plane], depth_mm: Depth) -> np.ndarray:
    return np.diff(sorted(map(depth_mm, planes)))
