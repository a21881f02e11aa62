"""Resamples as nnU-Net does: splines between array shapes, slices separately if they are far apart.

The numbers equal those of nnU-Net v2's default_resampling.py, which calls skimage.transform.resize: that is
scipy's zoom in grid mode with the edge repeated, clipped to the range of the input. A spline is a product of
three matrices, one for each axis, so an image is resampled plane by plane, and nothing else of its size is
held. Labels equal those of resize_segmentation of batchgenerators 0.25.5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.packages.plans import Resampling

Shape = tuple[int, ...]
Spacing = tuple[float, ...]
Double = NDArray[np.float64]
Ints = NDArray[np.integer]
Single = NDArray[np.float32]
Numbers = NDArray[Any]
Read = Callable[[Numbers], Numbers]
# nnU-Net's ANISO_THRESHOLD
ANISOTROPY = 3.0
# Splines extend over the whole image, but weights below a double's precision change nothing
NEGLIGIBLE = 1e-16
# Planes that are computed at once: more need more memory, and multiply more values that are nearly zero
ROWS = 16


def new_shape(shape: Shape, spacing_mm: Spacing, wanted_mm: Spacing) -> Shape:
    """Returns the shape at another spacing; halves are rounded to the even number, as in nnU-Net."""
    rows = zip(shape, spacing_mm, wanted_mm, strict=True)
    return tuple(round(before / after * n) for n, before, after in rows)


def separate_axis(spacing_mm: Spacing, wanted_mm: Spacing, how: Resampling) -> int | None:
    """Returns the axis whose slices are resampled one by one; None for all axes together."""
    if how.separate == "never":
        return None
    thick = [mm for mm in (spacing_mm, wanted_mm) if max(mm) / min(mm) > ANISOTROPY]
    candidates = [spacing_mm] if how.separate == "always" else thick
    if not candidates:
        return None
    coarsest = [axis for axis, mm in enumerate(candidates[0]) if max(candidates[0]) / mm == 1]
    return coarsest[0] if len(coarsest) == 1 else None


def as_it_is(plane: Numbers) -> Numbers:
    """Returns the plane unchanged."""
    return plane


def zoomed(image: Numbers, shape: Shape, axis: int | None, how: Resampling, read: Read = as_it_is) -> Single:
    """Returns an image (I, J, K) in another shape; `axis` is as `separate_axis` returns it.

    `read` turns each plane of the first axis into what is resampled; only some planes are held at once.
    """
    if image.shape == shape:
        return np.stack([read(plane) for plane in image]).astype(np.float32, copy=False)
    if axis:
        moved = (shape[axis], *shape[:axis], *shape[axis + 1 :])
        return np.moveaxis(zoomed(np.moveaxis(image, axis, 0), moved, 0, how, read), 0, axis)
    first, *others = zip(image.shape, shape, strict=True)
    across = matrix(*first, how.order if axis is None else how.order_across)
    planes = Planes(image, [matrix(*side, how.order) for side in others], read, apart=axis is not None)
    out = np.empty(shape, np.float32)
    for begin in range(0, shape[0], ROWS):
        rows = across[begin : begin + ROWS]
        used = np.flatnonzero((np.abs(rows) > NEGLIGIBLE).any(axis=0))
        among = slice(int(used[0]), int(used[-1]) + 1)
        out[begin : begin + ROWS] = np.tensordot(rows[:, among], planes.between(among), 1)
    return out if planes.apart else np.clip(out, planes.low, planes.high, out=out)


class Planes:
    """Planes of an image, resampled within themselves; with `apart` each is clipped to its own range."""

    def __init__(self, image: Numbers, inside: list[Double], read: Read, *, apart: bool) -> None:
        self.image, self.inside, self.read, self.apart = image, inside, read, apart
        self.made: dict[int, Double] = {}
        self.low, self.high = np.inf, -np.inf

    def between(self, among: slice) -> Double:
        """Returns a range of planes; planes before it must not be requested again."""
        self.made = {n: plane for n, plane in self.made.items() if n >= among.start}
        for number in range(among.start, among.stop):
            if number not in self.made:
                self.made[number] = self.plane(number)
        return np.stack([self.made[number] for number in range(among.start, among.stop)])

    def plane(self, number: int) -> Double:
        """Returns one resampled plane."""
        plane = self.read(self.image[number]).astype(np.float64)
        low, high = plane.min(), plane.max()
        self.low, self.high = min(self.low, low), max(self.high, high)
        made: Double = self.inside[0] @ plane @ self.inside[1].T
        return np.clip(made, low, high, out=made) if self.apart else made


def matrix(before: int, after: int, order: int) -> Double:
    """Returns scipy's zoom along one axis as a matrix (after, before): its result for each unit vector."""
    one = np.eye(before)
    if before == after:
        return one
    out = np.empty((after, before))
    factors = [1 / (before / after), 1]
    ndimage.zoom(one, factors, output=out, order=order, mode="nearest", grid_mode=True)
    return out


def zoomed_labels(labels: Ints, shape: Shape, axis: int | None, how: Resampling) -> Numbers:
    """Zooms labels without creating new values. `how.order_across` is 0."""
    if labels.shape == shape:
        return labels
    if axis is None:
        return resized_labels(labels, shape, how.order)
    inside = tuple(n for number, n in enumerate(shape) if number != axis)
    slices = [resized_labels(plane, inside, how.order) for plane in np.moveaxis(labels, axis, 0)]
    stack = np.stack(slices, axis=axis)
    return stack if stack.shape == shape else across(stack, shape, how.order_across)


def resized(image: Numbers, shape: Shape, order: int) -> Double:
    """Resizes like skimage.transform.resize(mode="edge", anti_aliasing=False)."""
    factors = [1 / (before / after) for before, after in zip(image.shape, shape, strict=True)]
    out = np.empty(shape, np.float64)
    ndimage.zoom(image, factors, output=out, order=order, mode="nearest", grid_mode=True)
    return np.clip(out, image.min(), image.max(), out=out)


def resized_labels(labels: Ints, shape: Shape, order: int) -> Ints:
    """Returns the value with the greatest share; of equal ones the nearest voxel's, else the smallest."""
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
    """Resamples slices at other positions; along the other axes nothing changes."""
    axes = [
        (before / after) * (np.arange(after) + 0.5) - 0.5
        for before, after in zip(stack.shape, shape, strict=True)
    ]
    places = np.stack(np.meshgrid(*axes, indexing="ij"))
    moved: Double = ndimage.map_coordinates(stack, places, order=order, mode="nearest")
    return moved
