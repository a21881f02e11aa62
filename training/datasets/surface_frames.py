"""Finds the unit and the frame of surfaces that were drawn on a CT, from where the CT is dense."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume, Grid

Points = NDArray[np.float64]
UNITS = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
# Points of the surfaces that are looked at
SAMPLED = 3000
# Of them, so many lie inside the image: a bone may leave it
LEAST_INSIDE = 0.9
# A bone's cortex is denser than what lies outside it by hundreds of HU, a surface in a wrong place by none.
# Compared at these depths below and above the surface
BELOW_MM, ABOVE_MM, LEAST_STEP_HU = 1.5, 2.0, 50.0


@dataclass(frozen=True, eq=False)
class Frame:
    """How a file's points are placed in the patient's space (LPS, mm)."""

    unit: str
    space: str
    turn: Points
    shift_mm: Points
    notes: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The unit and the space in words."""
        return f"{self.unit}, {SPACES[self.space]}"

    def place(self, points: Points) -> Points:
        """Returns the points in LPS, mm."""
        return points @ self.turn.T + self.shift_mm


SPACES = {"LPS": "LPS", "RAS": "RAS", "array": "distances from the first voxel"}
# The patient's space itself; NIfTI's, x to the right and y to anterior; distances along the image's axes
TURNS: dict[str, Callable[[Grid], tuple[Points, Points]]] = {
    "LPS": lambda _: (np.eye(3), np.zeros(3)),
    "RAS": lambda _: (np.diag([-1.0, -1.0, 1.0]), np.zeros(3)),
    "array": lambda grid: (grid.ijk_to_lps[:3, :3] / np.array(grid.spacing_mm), grid.ijk_to_lps[:3, 3]),
}


def frame_of(surfaces: Sequence[tuple[Points, Points]], image: CtVolume) -> Frame:
    """Returns the frame in which surfaces, each points and normals, lie on dense structures of the image.

    It is LPS in mm where that fits, else the only other one that fits, with a note. Raises UnsuitableError if
    none or several do.
    """
    points, normals = sample(surfaces)
    frames = candidates(image.grid)
    first, *others = frames
    if fits(first, points, normals, image):
        return first
    fitting = without_copies([each for each in others if fits(each, points, normals, image)], points)
    if len(fitting) == 1:
        (frame,) = fitting
        note = f"surfaces in {frame.words}, not in mm, LPS: placed by it, since no other frame fits the image"
        return Frame(frame.unit, frame.space, frame.turn, frame.shift_mm, (note,))
    extent = " x ".join(f"{mm:.3g}" for mm in np.ptp(points, axis=0))
    raise UnsuitableError(
        f"expected surfaces in mm, LPS, on the bones of their image, got an extent of {extent} where "
        + (
            f"several frames fit: {'; '.join(each.words for each in fitting)}"
            if fitting
            else "the image shows none, in any of mm, cm and m, LPS, RAS and distances from the first voxel"
        ),
        code="surface_frame_unknown",
    )


def candidates(grid: Grid) -> list[Frame]:
    """Returns every unit in every space, mm in LPS first."""
    made = []
    for space, unit in product(TURNS, UNITS):
        turn, shift_mm = TURNS[space](grid)
        made.append(Frame(unit, space, turn * UNITS[unit], shift_mm))
    return made


def sample(surfaces: Sequence[tuple[Points, Points]]) -> tuple[Points, Points]:
    """Points and normals of all surfaces, evenly thinned."""
    points, normals = (np.concatenate([each[n] for each in surfaces]) for n in range(2))
    chosen = np.unique(np.linspace(0, len(points) - 1, SAMPLED).astype(int))
    return points[chosen], normals[chosen]


def fits(frame: Frame, points: Points, normals: Points, image: CtVolume) -> bool:
    """Returns whether the surfaces lie inside the image, and it is denser below them than above."""
    placed = frame.place(points)
    inside = (image.grid.to_ijk(placed) >= -0.5) & (
        image.grid.to_ijk(placed) <= np.array(image.grid.shape) - 0.5
    )
    if inside.all(axis=1).mean() < LEAST_INSIDE:
        return False
    outward = normals @ (frame.turn / UNITS[frame.unit]).T
    below, above = (hu_at(placed + depth * outward, image) for depth in (-BELOW_MM, ABOVE_MM))
    return float(np.median(below - above)) >= LEAST_STEP_HU


def hu_at(points_lps: Points, image: CtVolume) -> Points:
    """Hounsfield units at points, between voxels linearly."""
    places = image.grid.to_ijk(points_lps).T
    return map_coordinates(image.hu, places, output=np.float64, order=1, mode="nearest")


def without_copies(frames: Sequence[Frame], points: Points) -> list[Frame]:
    """Returns the frames that place the points differently."""
    kept: list[Frame] = []
    for frame in frames:
        if not any(np.allclose(frame.place(points), each.place(points), atol=1e-3) for each in kept):
            kept.append(frame)
    return kept
