"""Finds the axis of a long bone's neck: the table NECK_AXES, by `neck` of a structure's [long_bone]."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from operators.bones.long_bones import SECTORS, STEPS, Line, centre_of, sectors_of
from operators.geometry.spheres import Sphere
from operators.geometry.surface_points import SurfacePoints

Points = NDArray[np.float64]

# Where the narrowest section is looked for, and how wide a neck can be, in radii of the head from its centre.
# Farther out the sections run through the trochanters
NECK_FROM, NECK_TO, WIDEST = 0.6, 1.6, 1.15
STEP_MM, SLAB_MM = 1.0, 2.5
# A section is seen where points lie in this share of its sectors
SEEN_SHARE = 0.8
# The first direction looked along: this steep, seen from the shaft
FIRST_SLOPE = 0.8


def narrowest(surface: SurfacePoints, head: Sphere, shaft: Line) -> Points | None:
    """Returns the unit vector from the neck to the head's centre, from the middle of the narrowest section.

    The axis of the femoral neck (Martin & Saller 1957, no. 29; in three dimensions as in Sugano et al.,
    J Bone Joint Surg Br 1998;80:711). None if no section of the neck is seen.
    """
    across = -shaft.across(head.centre[None])[0]
    direction = across - FIRST_SLOPE * np.linalg.norm(across) * shaft.direction
    for _ in range(STEPS):
        direction /= np.linalg.norm(direction)
        centre = narrowest_centre(surface.points, head, direction)
        if centre is None:
            return None
        direction = centre - head.centre
    return -direction / np.linalg.norm(direction)


def narrowest_centre(points: Points, head: Sphere, direction: Points) -> Points | None:
    """Returns the centre (3,) of the narrowest section across a direction from the head's centre."""
    ahead_mm = (points - head.centre) @ direction
    away = points - head.centre - np.outer(ahead_mm, direction)
    near = np.linalg.norm(away, axis=1) < WIDEST * head.radius_mm
    at_mm = np.arange(NECK_FROM * head.radius_mm, NECK_TO * head.radius_mm, STEP_MM)
    sections = [near & (np.abs(ahead_mm - at) <= SLAB_MM) for at in at_mm]
    seen = [section for section in sections if mean_width(away[section], direction) < np.inf]
    if not seen:
        return None
    return centre_of(points[min(seen, key=lambda section: mean_width(away[section], direction))], direction)


def mean_width(away: Points, direction: Points) -> float:
    """Returns the mean square distance over the sectors of a section's points (N, 3) from its axis.

    It is infinite where the section is not seen all around.
    """
    sector = sectors_of(away, direction)
    counts = np.bincount(sector, minlength=SECTORS)
    if np.count_nonzero(counts) < SEEN_SHARE * SECTORS:
        return np.inf
    means = np.bincount(sector, np.linalg.norm(away, axis=1), SECTORS)[counts > 0] / counts[counts > 0]
    return float((means**2).mean())


def cap(surface: SurfacePoints, head: Sphere, shaft: Line) -> Points | None:
    """Returns the unit vector from the head's centre to the middle of its articular surface.

    The axis of the humeral head, across the plane of the anatomical neck (Boileau & Walch, J Bone Joint Surg
    Br 1997;79:857).
    """
    del shaft
    middle: Points = (surface.points[head.on_it] - head.centre).mean(axis=0)
    return middle / np.linalg.norm(middle)


NECK_AXES: dict[str, Callable[[SurfacePoints, Sphere, Line], Points | None]] = {
    "narrowest": narrowest,
    "cap": cap,
}
