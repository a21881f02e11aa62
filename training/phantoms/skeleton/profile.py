"""Drawings in the sagittal plane: computed once at 1 mm, looked up for every voxel."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import interpolate, ndimage, spatial

from training.phantoms.shapes import Field, Points

Y_MM = np.arange(-80.0, 141.0)
Z_MM = np.arange(-90.0, 211.0)
Drawing = NDArray[np.float64]


def lookup(p: Points) -> Callable[[Drawing], Field]:
    """Returns what looks up the value of a drawing over (Y_MM, Z_MM) at every voxel."""
    index = np.stack([p.y - np.float32(Y_MM[0]), p.z - np.float32(Z_MM[0])])
    return lambda drawing: ndimage.map_coordinates(
        drawing.astype(np.float32), index, order=1, mode="nearest", output=np.float32
    )


def from_table(y_mm: list[float], z_mm: list[float], rows_by_z: list[list[float]]) -> Drawing:
    """Interpolates a smooth drawing from a table with one row for each z."""
    spline = interpolate.RectBivariateSpline(z_mm, y_mm, rows_by_z, kx=2, ky=2, s=0)
    inside = spline(np.clip(Z_MM, z_mm[0], z_mm[-1]), np.clip(Y_MM, y_mm[0], y_mm[-1]))
    return np.asarray(inside.T)


def closed_outline(corners_yz_mm: list[tuple[float, float]]) -> Drawing:
    """Draws the signed distance to a smooth closed curve through the corners."""
    ring = np.array([*corners_yz_mm, corners_yz_mm[0]])
    spline, _ = interpolate.splprep(ring.T, s=0, per=True)
    curve = np.array(interpolate.splev(np.linspace(0, 1, 800), spline)).T
    y, z = np.meshgrid(Y_MM, Z_MM, indexing="ij")
    places = np.stack([y.ravel(), z.ravel()], axis=1)
    distance = spatial.cKDTree(curve).query(places)[0].reshape(y.shape)
    return np.asarray(np.where(_inside(places, curve).reshape(y.shape), -distance, distance))


def _inside(places: Drawing, curve: Drawing) -> NDArray[np.bool_]:
    """Returns which places lie inside a curve, by the even-odd rule."""
    crossed = np.zeros(len(places), dtype=bool)
    y, z = places[:, 0], places[:, 1]
    for (ya, za), (yb, zb) in pairwise(curve):
        if za != zb:
            spans = (za > z) != (zb > z)
            crossed ^= spans & (y < (yb - ya) * (z - za) / (zb - za) + ya)
    return crossed


def along_curve(nodes_yz_mm: list[tuple[float, float]]) -> tuple[Drawing, Drawing, Drawing]:
    """Draws arc length along a curve, signed offset (posterior positive) and arc lengths of its nodes, mm."""
    nodes = np.array(nodes_yz_mm)
    spline, at_node = interpolate.splprep(nodes.T, s=0)
    fine = np.linspace(0, 1, 400)
    curve = np.array(interpolate.splev(fine, spline)).T
    tangent = np.gradient(curve, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    y, z = np.meshgrid(Y_MM, Z_MM, indexing="ij")
    nearest = spatial.cKDTree(curve).query(np.stack([y.ravel(), z.ravel()], axis=1))[1].reshape(y.shape)
    step = np.stack([y, z], axis=-1) - curve[nearest]
    t = tangent[nearest]
    arc = length[nearest] + (step * t).sum(-1)
    offset = step[..., 1] * t[..., 0] - step[..., 0] * t[..., 1]
    return arc, offset, np.interp(at_node, fine, length)
