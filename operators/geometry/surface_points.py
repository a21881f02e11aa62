"""Points spread evenly over a surface, with their normals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.geometry.meshes import Mesh

Points = NDArray[np.float64]
# One point in about 15 mm2 of a whole thigh bone
COUNT = 5000


@dataclass(frozen=True, eq=False)
class SurfacePoints:
    """Points (N, 3), LPS in mm, each for the same share of `area_mm2`, with outer unit normals (N, 3)."""

    points: Points
    normals: Points
    area_mm2: float

    def some(self, count: int) -> SurfacePoints:
        """Returns about `count` of the points, in no order."""
        step = max(len(self.points) // count, 1)
        return SurfacePoints(self.points[::step], self.normals[::step], self.area_mm2)

    def where(self, chosen: NDArray[np.bool_]) -> SurfacePoints:
        """Returns the points (N,) that are chosen."""
        share = np.count_nonzero(chosen) / max(len(chosen), 1)
        return SurfacePoints(self.points[chosen], self.normals[chosen], self.area_mm2 * share)


def surface_points(mesh: Mesh, count: int = COUNT) -> SurfacePoints:
    """Returns points of a mesh, drawn at random by area; the same mesh gives the same points."""
    random = np.random.default_rng(0)
    lengths = np.linalg.norm(mesh.crosses, axis=1)
    faces = random.choice(len(lengths), count, p=lengths / lengths.sum())
    a, b, c = (mesh.vertices_lps[mesh.faces[faces, n]].astype(np.float64) for n in range(3))
    u, v = random.random((2, count, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    normals = mesh.crosses[faces] / lengths[faces, None]
    return SurfacePoints(a + u * (b - a) + v * (c - a), normals, float(lengths.sum() / 2))
