"""Checks where the slices of a volume lie and makes its grid.

The array is `hu[i, j, k]`: i counts columns of the image (along the first three direction cosines of
ImageOrientationPatient), j rows, k slices along their normal, which is the cross product of both;
so every grid is right-handed whatever the order of the slices was.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operators.dicom.read.slice_order import Order, UnfitError, order_slices
from operators.geometry.volume import Grid

Array = NDArray[np.float64]

# Positions may leave the straight line through the slices by half a pixel, so that no voxel is
# taken for its neighbour.
IN_PLANE_TOLERANCE_PIXELS = 0.5
# As slice_order: so few slices may be off before the whole stack is called irregular.
ASIDE_SHARE = 0.1
# Direction cosines are written with 6 decimals or more; 0.01 allows scanners that write 2.
COSINE_TOLERANCE = 0.01
# Below a micrometre, which no scanner resolves, axes of a grid are no longer told from zero.
LEAST_SPACING_MM = 1e-3
ONE_SLICE = ("one_slice", "expected several slices, got one")
# Below this angle the slices' drift over 300 mm stays within a pixel of 0.5 mm.
TILT_DEGREES = 0.1


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the given slices lie: `k` for each that is `kept`, in ascending order; others are `aside`."""

    kept: tuple[int, ...] = ()
    k: tuple[float, ...] = ()
    aside: tuple[int, ...] = ()
    grid: Grid | None = None
    warnings: tuple[str, ...] = ()
    fault: tuple[str, str] | None = None


@dataclass(frozen=True, eq=False)
class Stack:
    """Parallel slices: origins (N, 3) mm, direction cosines (6,), spacing of rows and columns in mm."""

    origins: Array
    orientation: tuple[float, ...]
    spacing_mm: tuple[float, ...]
    rows: int
    columns: int
    frame_of_reference_uid: str

    @property
    def in_plane(self) -> Array:
        """(3, 2) mm: one step along i, one along j. PixelSpacing gives the rows' distance first."""
        along_i, along_j = np.array(self.orientation[:3]), np.array(self.orientation[3:])
        return np.column_stack([along_i * self.spacing_mm[1], along_j * self.spacing_mm[0]])

    @property
    def normal(self) -> Array:
        """(3,) unit vector."""
        across = np.cross(self.orientation[:3], self.orientation[3:])
        return np.asarray(across / np.linalg.norm(across))

    @property
    def depths_mm(self) -> Array:
        """(N,) along the normal."""
        return np.asarray(self.origins @ self.normal)


def lay_out(stack: Stack) -> Layout:
    """The grid of a stack, or why it has none."""
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
    """Why the slices' planes cannot be, whatever their positions: a code and a sentence."""
    i, j = np.array(stack.orientation[:3]), np.array(stack.orientation[3:])
    usable = np.abs(stack.orientation).max() <= 1 + COSINE_TOLERANCE
    if not usable or np.abs([i @ i - 1, j @ j - 1, i @ j]).max() > COSINE_TOLERANCE:
        text = "expected two perpendicular unit vectors in ImageOrientationPatient, got others"
        return "bad_orientation", text
    least_mm = min(stack.spacing_mm)
    if least_mm < LEAST_SPACING_MM:
        text = f"expected PixelSpacing of {LEAST_SPACING_MM:g} mm or more, got {least_mm:.3g} mm"
        return "missing_spacing", text
    return None


def _line(origins: Array, k: Array) -> tuple[Array, Array]:
    """Where k = 0 is and one step along k, both (3,) mm: least squares."""
    design = np.column_stack([np.ones_like(k), k])
    solution, *_ = np.linalg.lstsq(design, origins, rcond=None)
    return solution[0], solution[1]


def _on_line(stack: Stack, sequence: NDArray[np.intp], order: Order) -> NDArray[np.bool_]:
    """(kept,) which slices lie on the straight line of most; medians, so that a few cannot bend it."""
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
            f"expected slices along a straight line, got {off} beside it", code="irregular_position"
        )
    warning = f"slices beside the line of the others are left out: {off}"
    return replace(order, warnings=(*order.warnings, warning)).only(straight)


def _layout(stack: Stack, sequence: NDArray[np.intp], order: Order) -> Layout:
    kept = sequence[order.kept]
    start, step = _line(stack.origins[kept], order.k)
    affine = np.eye(4)
    affine[:3, :2], affine[:3, 2], affine[:3, 3] = stack.in_plane, step, start
    # Arithmetic noise, far below what a DICOM decimal string can hold.
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
