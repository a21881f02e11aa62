"""Traces closed outlines of a mask in one slice, whose holes are reached through cuts of zero width."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from skimage.draw import polygon
from skimage.measure import find_contours, points_in_poly

Points = NDArray[np.float64]
HALF = 0.5  # an outline runs midway between a voxel inside and its neighbour outside


def closed_outlines(mask: NDArray[np.bool_]) -> list[Points]:
    """Returns polygons (N, 2) of a mask, in array indices; the voxel centres inside them are the mask's
    voxels.

    Each polygon includes its holes: it runs to a hole, around it and back along the same line (PS3.3
    C.8.8.6.3).
    """
    found = [corners(each[:-1]) - 1 for each in find_contours(np.pad(mask, 1).astype(np.float32), HALF)]
    areas = [signed_area(each) for each in found]
    # The outermost outline has the largest area; outlines that run the other way are holes
    sign = np.sign(max(areas, key=abs)) if areas else 1.0
    outer = sorted((n for n, area in enumerate(areas) if area * sign > 0), key=lambda n: abs(areas[n]))
    holes: dict[int, list[Points]] = {n: [] for n in outer}
    for n in (n for n, area in enumerate(areas) if area * sign < 0):
        around = next(m for m in outer if points_in_poly(found[n][:1], found[m])[0])
        holes[around].append(found[n])
    return [with_holes(found[n], holes[n]) for n in outer]


def corners(outline: Points) -> Points:
    """Returns the closed outline without points on straight lines."""
    step, following = outline - np.roll(outline, 1, axis=0), np.roll(outline, -1, axis=0) - outline
    bends = np.abs(step[:, 0] * following[:, 1] - step[:, 1] * following[:, 0]) > 1e-9
    return outline[bends]


def signed_area(outline: Points) -> float:
    """Returns the area of an outline, positive for one sense of rotation, negative for the other."""
    following = np.roll(outline, -1, axis=0)
    return float(np.sum(outline[:, 0] * following[:, 1] - outline[:, 1] * following[:, 0]) / 2)


def with_holes(outline: Points, holes: list[Points]) -> Points:
    """Returns the outline joined with its holes, the nearest first, so that no cut crosses another hole."""
    left = list(holes)
    while left:
        distances: list[NDArray[Any]] = [cdist(outline, hole) for hole in left]
        nearest = min(range(len(left)), key=lambda n: distances[n].min())
        a, b = np.unravel_index(distances[nearest].argmin(), distances[nearest].shape)
        hole = left.pop(nearest)
        around = np.concatenate([hole[b:], hole[: b + 1]])
        outline = np.concatenate([outline[: a + 1], around, outline[a:]])
    return outline


def filled(contours: Sequence[NDArray[np.float64]], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Returns the voxels (I, J) whose centres lie inside; each contour is (N, 2) in array indices.

    The even-odd rule applies, so that a contour within another one is a hole, and a contour that returns
    through a channel of zero width (PS3.3 C.8.8.6.3) includes its hole's rim.
    """
    inside = np.zeros(shape, dtype=np.bool_)
    for contour in contours:
        i, j = polygon(contour[:, 0], contour[:, 1], shape)
        inside[i, j] ^= True
    return inside
