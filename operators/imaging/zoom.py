"""Resampling as nnU-Net does it: splines between array shapes, slices apart where they are far apart.

The same numbers as nnU-Net v2's default_resampling.py, which calls skimage.transform.resize: that is
scipy's zoom in grid mode with the edge repeated, clipped to the range of the input.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.imaging.packages import Resampling

Shape = tuple[int, ...]
Spacing = tuple[float, ...]
Double = NDArray[np.float64]
# nnU-Net's ANISO_THRESHOLD
ANISOTROPY = 3.0


def new_shape(shape: Shape, spacing_mm: Spacing, wanted_mm: Spacing) -> Shape:
    """The shape at another spacing; halves go to the even number, as nnU-Net has it."""
    rows = zip(shape, spacing_mm, wanted_mm, strict=True)
    return tuple(round(before / after * n) for n, before, after in rows)


def separate_axis(spacing_mm: Spacing, wanted_mm: Spacing, how: Resampling) -> int | None:
    """The axis whose slices are resampled one by one; None for all axes together."""
    if how.separate == "never":
        return None
    thick = [mm for mm in (spacing_mm, wanted_mm) if max(mm) / min(mm) > ANISOTROPY]
    candidates = [spacing_mm] if how.separate == "always" else thick
    if not candidates:
        return None
    coarsest = [axis for axis, mm in enumerate(candidates[0]) if max(candidates[0]) / mm == 1]
    return coarsest[0] if len(coarsest) == 1 else None


def zoomed(image: NDArray[np.floating], shape: Shape, axis: int | None, how: Resampling) -> Double:
    """An image (I, J, K) with another shape, float64; `axis` as `separate_axis` gives it."""
    exact: Double = image.astype(np.float64, copy=False)
    if exact.shape == shape:
        return exact
    if axis is None:
        return resized(exact, shape, how.order)
    inside = tuple(n for number, n in enumerate(shape) if number != axis)
    slices = [resized(plane, inside, how.order) for plane in np.moveaxis(exact, axis, 0)]
    stack = np.stack(slices, axis=axis)
    return stack if stack.shape == shape else across(stack, shape, how.order_across)


def resized(image: Double, shape: Shape, order: int) -> Double:
    """skimage.transform.resize(mode="edge", anti_aliasing=False)."""
    factors = [1 / (before / after) for before, after in zip(image.shape, shape, strict=True)]
    out = np.empty(shape, np.float64)
    ndimage.zoom(image, factors, output=out, order=order, mode="nearest", grid_mode=True)
    return np.clip(out, image.min(), image.max(), out=out)


def across(stack: Double, shape: Shape, order: int) -> Double:
    """Slices at other places; along the other axes nothing changes."""
    axes = [
        (before / after) * (np.arange(after) + 0.5) - 0.5
        for before, after in zip(stack.shape, shape, strict=True)
    ]
    places = np.stack(np.meshgrid(*axes, indexing="ij"))
    moved: Double = ndimage.map_coordinates(stack, places, order=order, mode="nearest")
    return moved
