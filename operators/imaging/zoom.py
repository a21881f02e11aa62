"""Resampling as nnU-Net does it: splines between array shapes, slices apart where they are far apart.

The same numbers as nnU-Net v2's default_resampling.py, which calls skimage.transform.resize: that is
scipy's zoom in grid mode with the edge repeated, clipped to the range of the input. For labels the
same values as resize_segmentation of batchgenerators 0.25.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.imaging.recipes import Resampling

Shape = tuple[int, ...]
Spacing = tuple[float, ...]
Double = NDArray[np.float64]
Ints = NDArray[np.integer]
Numbers = NDArray[Any]
Resize = Callable[[Numbers, Shape, int], Numbers]
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
    exact: Double = slicewise(resized, image.astype(np.float64, copy=False), shape, axis, how)
    return exact


def zoomed_labels(labels: Ints, shape: Shape, axis: int | None, how: Resampling) -> Numbers:
    """The same for labels: no value comes out that did not go in. `how.order_across` is 0."""
    return slicewise(resized_labels, labels, shape, axis, how)


def slicewise(resize: Resize, image: Numbers, shape: Shape, axis: int | None, how: Resampling) -> Numbers:
    """All axes together, or each slice and then across them."""
    if image.shape == shape:
        return image
    if axis is None:
        return resize(image, shape, how.order)
    inside = tuple(n for number, n in enumerate(shape) if number != axis)
    slices = [resize(plane, inside, how.order) for plane in np.moveaxis(image, axis, 0)]
    stack = np.stack(slices, axis=axis)
    return stack if stack.shape == shape else across(stack, shape, how.order_across)


def resized(image: Numbers, shape: Shape, order: int) -> Double:
    """skimage.transform.resize(mode="edge", anti_aliasing=False)."""
    factors = [1 / (before / after) for before, after in zip(image.shape, shape, strict=True)]
    out = np.empty(shape, np.float64)
    ndimage.zoom(image, factors, output=out, order=order, mode="nearest", grid_mode=True)
    return np.clip(out, image.min(), image.max(), out=out)


def resized_labels(labels: Ints, shape: Shape, order: int) -> Ints:
    """The value with the greatest share; of equal ones the nearest voxel's, else the least."""
    nearest = resized(labels, shape, 0).astype(labels.dtype)
    winner, best = np.empty(shape, labels.dtype), np.zeros(shape)
    nearest_leads = np.zeros(shape, np.bool_)
    for value in np.unique(labels):
        share = resized((labels == value).astype(np.uint8), shape, order)
        winner[share > best] = value
        nearest_leads = np.where(nearest == value, share >= best, nearest_leads & (share <= best))
        np.maximum(best, share, out=best)
    np.copyto(winner, nearest, where=nearest_leads)
    return winner


def across(stack: Numbers, shape: Shape, order: int) -> Double:
    """Slices at other places; along the other axes nothing changes."""
    axes = [
        (before / after) * (np.arange(after) + 0.5) - 0.5
        for before, after in zip(stack.shape, shape, strict=True)
    ]
    places = np.stack(np.meshgrid(*axes, indexing="ij"))
    moved: Double = ndimage.map_coordinates(stack, places, order=order, mode="nearest")
    return moved
