"""Groups slices by what slices of one volume share, within the tolerances of one scan's headers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.dicom.headers.planes import Plane, Vector
from operators.dicom.read.geometry import Stack

# Noise in the direction cosines of one scan reaches 0.002 in known files; 0.005 is 0.3 degrees, and stacks
# with intentionally different orientations, such as radial ones, differ by a degree or more.
ORIENTATION_TOLERANCE = 5e-3
# A PixelSpacing of 0.9765625 is also written as 0.98, with two decimals.
SPACING_TOLERANCE = 4e-3
# Larger differences are reported: at the far corner of 512 pixels of 0.8 mm they make half a pixel.
TOLD_COSINE, TOLD_SPACING_MM = 1e-3, 1e-3

Alike = Callable[[Vector, Vector], bool]


class Kind(NamedTuple):
    """What slices of one volume share; orientation and pixel spacing are cluster numbers, -1 for none."""

    frame_of_reference: str
    matrix_size: tuple[int, int]
    localizer: bool
    orientation: int
    pixel_spacing: int
    position_given: bool


def is_localizer(image_type: Sequence[str]) -> bool:
    """Returns whether an image is a localizer (PS3.3 C.8.2.1.1.1: value 3 of a CT's ImageType)."""
    return "LOCALIZER" in image_type


def by_kind(planes: Sequence[Plane]) -> dict[Kind, list[Plane]]:
    """Returns the planes of each kind, in their order."""
    orientations = clusters((plane.orientation for plane in planes), _same_orientation)
    spacings = clusters((plane.spacing_mm for plane in planes), _same_spacing)
    kinds: dict[Kind, list[Plane]] = {}
    for plane in planes:
        kind = Kind(
            plane.frame_of_reference_uid,
            (plane.rows, plane.columns),
            is_localizer(plane.image_type),
            orientations[plane.orientation],
            spacings[plane.spacing_mm],
            None not in (plane.position, plane.orientation, plane.spacing_mm),
        )
        kinds.setdefault(kind, []).append(plane)
    return kinds


def differing(kinds: Iterable[Kind]) -> list[str]:
    """Returns the names of the values that differ between kinds."""
    columns = zip(*kinds, strict=True)
    names = (name.replace("_", " ") for name in Kind._fields)
    return [name for name, values in zip(names, columns, strict=True) if len(set(values)) > 1]


def clusters(values: Iterable[Vector | None], alike: Alike) -> dict[Vector | None, int]:
    """Returns each value's cluster number, -1 for None; a cluster's leader is its most frequent value."""
    counted = Counter(values)
    ordered = sorted((v for v in counted if v is not None), key=lambda value: (-counted[value], value))
    leaders: list[Vector] = []
    numbers: dict[Vector | None, int] = {None: -1}
    for value in ordered:
        number = next((n for n, leader in enumerate(leaders) if alike(value, leader)), len(leaders))
        if number == len(leaders):
            leaders.append(value)
        numbers[value] = number
    return numbers


def _same_orientation(one: Vector, other: Vector) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= ORIENTATION_TOLERANCE


def _same_spacing(one: Vector, other: Vector) -> bool:
    return all(abs(a - b) <= SPACING_TOLERANCE * abs(b) for a, b in zip(one, other, strict=True))


def stack_of(planes: Sequence[Plane]) -> Stack:
    """Returns the stack of planes of one kind, with the orientation and spacing that most of them have."""
    usual = typical(planes)
    return Stack(
        np.array([plane.position for plane in planes], dtype=np.float64),
        usual.orientation or (),
        usual.spacing_mm or (),
        usual.rows,
        usual.columns,
        usual.frame_of_reference_uid,
    )


def typical(planes: Sequence[Plane]) -> Plane:
    """Returns the plane whose orientation and spacing are nearest to the median."""
    first = planes[0]
    if all((each.orientation, each.spacing_mm) == (first.orientation, first.spacing_mm) for each in planes):
        return first
    away = _from_median(planes, lambda plane: plane.orientation).max(axis=1)
    away += _from_median(planes, lambda plane: plane.spacing_mm).max(axis=1)
    return planes[int(away.argmin())]


def spread(planes: Sequence[Plane]) -> tuple[str, ...]:
    """Returns warnings about direction cosines and pixel spacings that differ by more than rounding."""
    first = planes[0]
    if all((each.orientation, each.spacing_mm) == (first.orientation, first.spacing_mm) for each in planes):
        return ()
    cosine = float(np.ptp(_array(planes, lambda plane: plane.orientation), axis=0).max())
    spacing_mm = float(np.ptp(_array(planes, lambda plane: plane.spacing_mm), axis=0).max())
    warnings = []
    if cosine > TOLD_COSINE:
        warnings.append(
            f"direction cosines differ from slice to slice by up to {cosine:.4f}: the median is used"
        )
    if spacing_mm > TOLD_SPACING_MM:
        warnings.append(
            f"pixel spacings differ from slice to slice by up to {spacing_mm:.4f} mm: the median is used"
        )
    return tuple(warnings)


def _from_median(planes: Sequence[Plane], of: Callable[[Plane], Vector | None]) -> NDArray[np.float64]:
    values = _array(planes, of)
    return np.asarray(np.abs(values - np.median(values, axis=0)))


def _array(planes: Sequence[Plane], of: Callable[[Plane], Vector | None]) -> NDArray[np.float64]:
    return np.array([of(plane) for plane in planes], dtype=np.float64)
