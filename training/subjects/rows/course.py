"""The course of a row of bones in a label map: a curve, and coordinates along and across it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.interpolate import PchipInterpolator

Array = NDArray[np.float64]
STEP_MM = 1.0
# How far the curve continues beyond the first and the last bone
BEYOND_MM = 60.0
# The core of a bone, which is its body, has at least this share of its greatest depth
CORE = 0.6
SEARCHES = 3
# Half of the window in points within which the curve is smoothed
SMOOTH = 32


@dataclass(frozen=True, eq=False)
class Course:
    """A curve in mm with its points (N, 3) STEP_MM apart, from the top down, and its frames (N, 3, 3).

    A frame's rows are the directions to the left, to the back and down along the curve. `levels_mm` are the
    places of the bones' centres along it.
    """

    points: Array
    frames: Array
    levels_mm: Array

    def place(self, at: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the coordinates (3, ...) of points (3, ...) in mm: to the left, back and down the curve."""
        along = np.interp(-at[2], -self.points[:, 2], np.arange(len(self.points)) * STEP_MM)
        for _ in range(SEARCHES):
            centre, frame = self.at(along)
            along = along + np.einsum("a...,a...->...", at - centre, frame[2])
        centre, frame = self.at(along)
        across = np.einsum("a...,ba...->b...", at - centre, frame[:2])
        return np.stack([*across, along]).astype(np.float32)

    def lps(self, placed: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the points (3, ...) in mm at coordinates (3, ...); the inverse of `place`."""
        centre, frame = self.at(placed[2])
        return centre + placed[0] * frame[0] + placed[1] * frame[1]

    def at(self, along: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Returns the points (3, ...) and frames (3, 3, ...) of the curve at distances in mm along it."""
        place = np.clip(along / STEP_MM, 0, len(self.points) - 1.001)
        low = place.astype(np.int64)
        part = (place - low).astype(np.float32)
        both = np.concatenate([self.points, self.frames.reshape(-1, 9)], axis=1).astype(np.float32)
        values = np.moveaxis(both[low] * (1 - part)[..., None] + both[low + 1] * part[..., None], -1, 0)
        rest = (along - place * STEP_MM).astype(np.float32)
        return values[:3] + rest * values[9:12], values[3:].reshape(3, 3, *values.shape[1:])


def course_of(structures: NDArray[np.uint8], values: Sequence[int], spacing_mm: float) -> Course:
    """Returns the course of the bones of these values, from the top down."""
    centres = np.array([body_centre(structures, value, spacing_mm) for value in values])
    return course_through(centres)


def body_centre(structures: NDArray[np.uint8], value: int, spacing_mm: float) -> Array:
    """Returns the centre (3,) in mm of the body of a bone, which is its deepest part."""
    box = ndimage.find_objects((structures == value).astype(np.uint8))[0]
    depth = ndimage.distance_transform_edt(np.pad(structures[box] == value, 1))
    core = np.argwhere(depth >= CORE * depth.max()) - 1
    return (core.mean(axis=0) + [side.start for side in box]) * spacing_mm


def course_through(centres: Array) -> Course:
    """Returns the course through centres (N, 3) in mm from the top down, straight beyond both ends."""
    ends = [np.array([0.0, 0.0, -1.0])] * 2
    if len(centres) > 1:
        ends = [centres[1] - centres[0], centres[-1] - centres[-2]]
    first, last = (end / np.linalg.norm(end) * BEYOND_MM for end in ends)
    knots = np.concatenate([[centres[0] - first], centres, [centres[-1] + last]])
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    rough = PchipInterpolator(lengths, knots)(np.arange(0, lengths[-1], STEP_MM))
    # Mirrored at their ends in both directions, points on a straight line stay on it
    padded = np.pad(rough, ((SMOOTH, SMOOTH), (0, 0)), mode="reflect", reflect_type="odd")
    points = evenly(ndimage.gaussian_filter1d(padded, SMOOTH / 4, axis=0)[SMOOTH:-SMOOTH])
    away = np.linalg.norm(points[None] - centres[:, None], axis=2)
    return Course(points, frames_of(np.gradient(points, axis=0)), away.argmin(axis=1) * STEP_MM)


def evenly(points: Array) -> Array:
    """Returns points (N, 3) STEP_MM apart on the line through points."""
    lengths = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    along = np.arange(0, lengths[-1], STEP_MM)
    return np.stack([np.interp(along, lengths, axis) for axis in points.T], axis=1)


def frames_of(tangents: Array) -> Array:
    """Returns frames (N, 3, 3) along tangents (N, 3), with the left as near to the patient's as possible."""
    down = tangents / np.linalg.norm(tangents, axis=1, keepdims=True)
    left = np.array([1.0, 0.0, 0.0]) - down[:, :1] * down
    left /= np.linalg.norm(left, axis=1, keepdims=True)
    return np.stack([left, np.cross(down, left), down], axis=1)


def turned(course: Course, turns: Array) -> Course:
    """Returns the course with its directions turned by matrices (N, 3, 3), and its bones with them."""
    frames = np.einsum("nij,naj->nai", turns, course.frames)
    steps = frames[:, 2] * STEP_MM
    points = course.points[0] + np.concatenate([[np.zeros(3)], np.cumsum(steps[:-1], axis=0)])
    return Course(points, frames, course.levels_mm)
