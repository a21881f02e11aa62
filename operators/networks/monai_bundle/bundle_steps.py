"""Prepares a CT for the network of a MONAI bundle step by step, and resamples outputs back to the scan.

Each step does what the MONAI transform does from which it was imported: the same operations in the same order
and precision.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.errors import UnsuitableError
from operators.geometry.orientation import turn_to
from operators.geometry.volume import Box, CtVolume, Grid
from operators.packages.monai_bundle import Step

Array = NDArray[np.float32]
# Takes a channel after a step and whether to use the nearest voxel; returns the channel before the step
Undo = Callable[[Array, bool], Array]
# monai.data.utils.AFFINE_TOL
SAME = 1e-3
XYZ = (2, 1, 0)


@dataclass(frozen=True, eq=False)
class PreparedBundleImage:
    """An image (I, J, K) on its grid, and the functions that undo its steps, the last step first."""

    image: Array
    grid: Grid
    undo: tuple[Undo, ...] = ()

    def back(self, channel: Array, nearest: bool) -> Array:
        """Returns one channel of the network's output at the voxels of the scan."""
        for undo in self.undo:
            channel = undo(channel, nearest)
        return channel


def prepare(volume: CtVolume, steps: Sequence[Step]) -> PreparedBundleImage:
    """Returns the volume after all steps. Raises UnsuitableError if nothing is left of it."""
    prepared = PreparedBundleImage(volume.hu.astype(np.float32), volume.grid)
    for step in steps:
        prepared = STEPS[step.name](prepared, **step.arguments)
    return prepared


def orientation(before: PreparedBundleImage, directions: str) -> PreparedBundleImage:
    """Applies Orientation: turns the axes to the directions."""
    turn = turn_to(before.grid, directions, XYZ)
    image = np.ascontiguousarray(turn.apply(before.image))
    columns = before.grid.ijk_to_lps[:, list(turn.axes)]
    matrix = np.column_stack([columns, before.grid.ijk_to_lps[:, 3]])
    for axis, (backwards, count) in enumerate(zip(turn.backwards, image.shape, strict=True)):
        if backwards:
            matrix[:, 3] += matrix[:, axis] * (count - 1)
            matrix[:, axis] *= -1

    def undo(channel: Array, _: bool) -> Array:
        return np.ascontiguousarray(turn.undo(channel))

    return run_step(before, image, matrix, undo)


def spacing(before: PreparedBundleImage, mm: Sequence[float]) -> PreparedBundleImage:
    """Applies Spacing: the same first voxel, the outermost centres inside; linear. Shear is removed."""
    from operators.networks.torch_grid import moved  # loads torch, in whose arithmetic MONAI resamples

    source = before.grid.ijk_to_lps
    target = np.eye(4)
    upper = np.linalg.cholesky(source[:3, :3].T @ source[:3, :3]).T
    target[:3, :3] = source[:3, :3] @ np.linalg.inv(upper) @ np.diag(mm)
    shape, target[:3, 3] = shape_and_origin(before.image.shape, source, target)
    forward = np.linalg.solve(source, target)
    if shape == before.image.shape and np.allclose(forward, np.eye(4), atol=SAME):
        return before
    inverse = np.linalg.solve(target, source)

    def undo(channel: Array, nearest: bool) -> Array:
        return moved(channel, inverse, before.grid.shape, nearest)

    return run_step(before, moved(before.image, forward, shape, False), target, undo)


def shape_and_origin(
    shape: tuple[int, ...], source: NDArray[np.float64], target: NDArray[np.float64]
) -> tuple[tuple[int, int, int], NDArray[np.float64]]:
    """Returns how many voxels cover all corners, and the first's position (monai's compute_shape_offset)."""
    corners = np.array(np.meshgrid(*((0.0, n - 1.0) for n in shape), indexing="ij")).reshape(3, -1)
    corners = np.vstack([corners, np.ones_like(corners[:1])])
    placed = (np.linalg.solve(target, source) @ corners)[:3]
    i, j, k = (int(n) for n in np.round(np.ptp(placed, axis=1) + 1.0))
    for number in range(placed.shape[1]):
        if np.allclose((placed - placed[:, number : number + 1]).min(axis=1), 0.0, rtol=SAME):
            return (i, j, k), (source @ corners)[:3, number]
    middle = np.array(shape) / 2
    centred: NDArray[np.float64] = (
        source[:3, :3] @ middle + source[:3, 3] - target[:3, :3] @ (np.array((i, j, k)) / 2)
    )
    return (i, j, k), centred


def crop(before: PreparedBundleImage, margin: int) -> PreparedBundleImage:
    """Applies CropForeground: the smallest box of values above 0, grown by `margin` voxels."""
    boxes = ndimage.find_objects((before.image > 0).astype(np.uint8))
    if not boxes:
        raise UnsuitableError("expected an image with values above 0, got none", code="anatomy_not_found")
    low = [max(side.start - margin, 0) for side in boxes[0]]
    high = [min(side.stop + margin, n) for side, n in zip(boxes[0], before.image.shape, strict=True)]
    box = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))

    def undo(channel: Array, _: bool) -> Array:
        whole = np.zeros(before.grid.shape, np.float32)
        whole[box.slices] = channel
        return whole

    return run_step(before, before.image[box.slices], before.grid.crop(box).ijk_to_lps, undo)


def scale_range(
    before: PreparedBundleImage, low: float, high: float, clip: bool, to: Sequence[float] = ()
) -> PreparedBundleImage:
    """Applies ScaleIntensityRange."""
    image = (before.image - np.float32(low)) / np.float32(high - low)
    if to:
        image = image * np.float32(to[1] - to[0]) + np.float32(to[0])
    return replace(before, image=np.clip(image, to[0], to[1]) if clip and to else image)


def scale(before: PreparedBundleImage, to: Sequence[float]) -> PreparedBundleImage:
    """Applies ScaleIntensity: maps the least and the greatest value to others."""
    image = before.image
    least, greatest = image.min(), image.max()
    if least == greatest:
        return replace(before, image=image * np.float32(to[0]))
    shares = (image - least) / (greatest - least)
    return replace(before, image=shares * np.float32(to[1] - to[0]) + np.float32(to[0]))


def normalise(
    before: PreparedBundleImage, nonzero: bool, mean: float | None = None, deviation: float | None = None
) -> PreparedBundleImage:
    """Applies NormalizeIntensity to the whole image or to what is not zero."""
    image = before.image.copy()
    inside: Any = image != 0 if nonzero else ...
    values = image[inside]
    if not values.size:
        return before
    middle = values.mean(dtype=np.float64) if mean is None else mean
    width = values.std(dtype=np.float64) if deviation is None else deviation
    image[inside] = (values - np.float32(middle)) / np.float32(width or 1.0)
    return replace(before, image=image)


def run_step(
    before: PreparedBundleImage, image: Array, matrix: NDArray[np.float64], undo: Undo
) -> PreparedBundleImage:
    """Returns the image after a step that moves voxels."""
    i, j, k = image.shape
    grid = Grid((i, j, k), matrix, before.grid.frame_of_reference_uid)
    return PreparedBundleImage(image, grid, (undo, *before.undo))


# A row for each name in bundles.STEP_ARGUMENTS
STEPS: dict[str, Callable[..., PreparedBundleImage]] = {
    "orientation": orientation,
    "spacing": spacing,
    "crop": crop,
    "scale_range": scale_range,
    "scale": scale,
    "normalise": normalise,
}
