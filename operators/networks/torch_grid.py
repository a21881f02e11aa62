"""Interpolates, linearly or to the nearest voxel, exactly where torch's grid_sample does, with edges
repeated.

MONAI resamples through affine_grid and grid_sample. The rounding of coordinates decides to which of two
voxels a place halfway between them goes, and which values become exactly zero. So the same coordinates are
used here, but axis by axis, which needs no more memory than the image; grid_sample takes 24 bytes a voxel.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import affine_grid

from operators.process.monai_import import import_monai

Double = NDArray[np.float64]
Float = NDArray[np.float32]


def moved(image: Float, matrix: NDArray[np.floating], shape: tuple[int, ...], nearest: bool) -> Float:
    """Returns an image (I, J, K) at the voxels of another grid; `matrix` (4x4) takes their indices to the
    image's.

    Works axis by axis, unless the matrix turns or shears.
    """
    turns = np.abs(matrix[:3, :3] - np.diag(np.diag(matrix)[:3])).max() > 1e-12
    if turns:
        return turned(image, matrix, shape, nearest)
    for axis, (before, after) in enumerate(zip(image.shape, shape, strict=True)):
        places = coordinates(before, after, float(matrix[axis, axis]), float(matrix[axis, 3]))
        image = taken(image, places, axis) if nearest else mixed(image, places, axis)
    return np.ascontiguousarray(image, np.float32)


def turned(image: Float, matrix: NDArray[np.floating], shape: tuple[int, ...], nearest: bool) -> Float:
    """Samples for a matrix that turns or shears, with MONAI itself, which is slow to import."""
    import_monai()
    from monai.networks.layers import AffineTransform

    transform = AffineTransform(
        mode="nearest" if nearest else "bilinear", padding_mode="border", align_corners=False
    )
    whole = torch.from_numpy(np.ascontiguousarray(image))[None, None].double()
    found: Float = transform(whole, torch.from_numpy(matrix.astype(np.float64)), shape)[0, 0].float().numpy()
    return found


def coordinates(before: int, after: int, scale: float, offset: float) -> Double:
    """Returns the positions of `after` voxels along an axis of `before`, in torch's own arithmetic."""
    matrix = normalised(before) @ np.array([[scale, offset], [0.0, 1.0]]) @ np.linalg.inv(normalised(after))
    theta = torch.eye(3, 4, dtype=torch.float64)
    theta[0, 0], theta[0, 3] = matrix[0]
    line = affine_grid(theta[None], [1, 1, 1, 1, after], align_corners=False)[0, 0, 0, :, 0].numpy()
    clipped: Double = np.clip(((line + 1) * before - 1) / 2, 0, before - 1)
    return clipped


def normalised(count: int) -> Double:
    """Returns the matrix from indices of `count` voxels to -1..1, from edge to edge."""
    return np.array([[2.0 / count, 1.0 / count - 1.0], [0.0, 1.0]])


def taken(image: Float, places: Double, axis: int) -> Float:
    """Returns the nearest voxels along one axis; halfway, the even one."""
    return np.take(image, np.rint(places).astype(np.intp), axis)


def mixed(image: NDArray[np.floating], places: Double, axis: int) -> NDArray[np.floating]:
    """Returns both neighbours along one axis, weighted by their shares."""
    low = np.floor(places).astype(np.intp)
    high = np.minimum(low + 1, image.shape[axis] - 1)
    if (low == places).all():
        return np.take(image, low, axis)
    share = (places - low).reshape([-1 if number == axis else 1 for number in range(image.ndim)])
    return np.take(image, low, axis) * (1 - share) + np.take(image, high, axis) * share
