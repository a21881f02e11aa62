"""Checks the positions of a volume's slices and computes its grid.

The array is `hu[i, j, k]`: i counts columns of the image (along the first three direction cosines of
ImageOrientationPatient), j rows, k slices along their normal, the cross product of both. So every grid is
right-handed, whatever the order of the slices was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operators.dicom.read.slice_order import Order, UnfitError, order_slices
from operators.geometry.volume import Grid

Array = NDArray[np.float64]

# Positions may deviate from the straight line through the slices by half a pixel, so that no voxel is
# mistaken for its neighbour.
IN_PLANE_TOLERANCE_PIXELS = 0.5
# As in slice_order: a stack with a larger share of slices off the grid is irregular as a whole.
ASIDE_SHARE = 0.1
# Direction cosines are written with 6 decimals or more; 0.01 allows for scanners that write 2.
COSINE_TOLERANCE = 0.01
# Below a micrometre, which no scanner resolves, the axes of a grid cannot be distinguished from zero.
LEAST_SPACING_MM = 1e-3
ONE_SLICE = ("one_slice", "expected several slices, got one")
# Below this angle the slices' drift over 300 mm stays within a pixel of 0.5 mm.
TILT_DEGREES = 0.1


@dataclass(frozen=True, eq=False)
class Layout:
    """The layout of slices: `k` for each that is `kept`, in ascending order; the others are `aside`."""

    kept: tuple[int, ...] = ()
    k: tuple[float, ...] = ()
    aside: tuple[int, ...] = ()
    grid: Grid | None = None
    warnings: tuple[str, ...] = ()
    fault: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices: origins (N, 3) LPS mm, direction cosines (6,), spacing of rows and columns in mm."""

    origins: Array
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    rows: int
    columns: int
    frame_of_reference_uid: str

    @property
    def in_plane(self) -> Array:
        """The steps (3, 2) in mm along i and j. PixelSpacing gives the distance of rows first."""
        along_i, along_j = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        return np.column_stack([along_i * self.spacing_mm[1], along_j * self.spacing_mm[0]])

    @property
    def normal(self) -> Array:
        """The unit normal (3,) of the slices."""
        across = np.cross(self.orientation[:3], self.orientation[3:])
        return np.asarray(across / np.linalg.norm(across))

    @property
    def depths_mm(self) -> Array:
        """The positions (N,) of the slices along the normal."""
        return np.asarray(self.origins @ self.normal)


def lay_out(stack: Stack) -> Layout:
    """Returns the layout of a stack: its grid, or the reason why it has none."""
    fault = plane_fault(stack)
    if fault is None and len(stack.origins) < 2:
        fault = ONE_SLICE
    if fault:
        return Layout(kept=tuple(range(len(stack.origins))), fault=fault)
    sequence = np.argsort(stack.depths_mm, kind="stable")
    try:
        order = order_slices(stack.depths_mm[sequence])
        straight = _on_line(stack, sequence, order)
        if not straight.all():
            order = _without(order, straight)
    except UnfitError as unfit:
        return Layout(kept=tuple(map(int, sequence)), fault=(unfit.code, str(unfit)))
    return _layout(stack, sequence, order)


def plane_fault(stack: Stack) -> tuple[str, str] | None:
    """Returns why the planes are invalid, whatever their positions: a code and a sentence; else None."""
    i, j = np.array(stack.orientation[:3]), np.array(stack.orientation[3:])
    usable = np.abs(stack.orientation).max() <= 1 + COSINE_TOLERANCE
    if not usable or np.abs([i @ i - 1, j @ j - 1, i @ j]).max() > COSINE_TOLERANCE:
        text = "expected two perpendicular unit vectors in ImageOrientationPatient, got other vectors"
        return "bad_orientation", text
    least_mm = min(stack.spacing_mm)
    if least_mm < LEAST_SPACING_MM:
        text = f"expected PixelSpacing of {LEAST_SPACING_MM:g} mm or more, got {least_mm:.3g} mm"
        return "missing_spacing", text
    return None


def _line(origins: Array, k: Array) -> tuple[Array, Array]:
    """Returns the position of k = 0 and one step along k, both (3,) mm, by least squares."""
    design = np.column_stack([np.ones_like(k), k])
    solution, *_ = np.linalg.lstsq(design, origins, rcond=None)
    return solution[0], solution[1]


def _on_line(stack: Stack, sequence: NDArray[np.intp], order: Order) -> NDArray[np.bool_]:
    """Returns which kept slices lie on the straight line of most; medians, so that a few cannot bend it."""
    origins, k = stack.origins[sequence[order.kept]], order.k
    step = np.median(np.diff(origins, axis=0) / np.diff(k)[:, None], axis=0)
    start = np.median(origins - k[:, None] * step, axis=0)
    away = origins - start - k[:, None] * step
    sideways = away - np.outer(away @ stack.normal, stack.normal)
    limit_mm = IN_PLANE_TOLERANCE_PIXELS * min(stack.spacing_mm)
    return np.asarray(np.linalg.norm(sideways, axis=1) <= limit_mm)


def _without(order: Order, straight: NDArray[np.bool_]) -> Order:
    off = int((~straight).sum())
    if off > max(1, ASIDE_SHARE * len(straight)):
        raise UnfitError(
            f"expected slices along a straight line, got {off} off it", code="irregular_position"
        )
    warning = f"slices off the line of the others were left out: {off}"
    return replace(order, warnings=(*order.warnings, warning)).only(straight)


def _layout(stack: Stack, sequence: NDArray[np.intp], order: Order) -> Layout:
    kept = sequence[order.kept]
    start, step = _line(stack.origins[kept], order.k)
    affine = np.eye(4)
    affine[:3, :2], affine[:3, 2], affine[:3, 3] = stack.in_plane, step, start
    # Removes arithmetic noise, far below the precision of a DICOM decimal string.
    affine = np.round(affine, 9) + 0.0
    shape = (stack.columns, stack.rows, order.planes)
    return Layout(
        kept=tuple(map(int, kept)),
        k=tuple(map(float, order.k)),
        aside=tuple(sorted(set(map(int, sequence)) - set(map(int, kept)))),
        grid=Grid(shape, affine, stack.frame_of_reference_uid),
        warnings=(*order.warnings, *_tilt_warning(step, stack.normal)),
    )


def _tilt_warning(step: Array, normal: Array) -> tuple[str, ...]:
    sideways = np.linalg.norm(step - (step @ normal) * normal)
    degrees = float(np.degrees(np.arctan2(sideways, step @ normal)))
    if degrees <= TILT_DEGREES:
        return ()
    return (f"the gantry was tilted by {degrees:.1f} degrees: the grid is sheared",)
