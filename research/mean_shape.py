"""Makes a mean shape of surfaces in correspondence, small enough to ship: derived statistics, not a surface.

python -m research.mean_shape FILES... --side left --radius-mm 17 32 --source TEXT --licence TEXT --out FILE
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import fast_simplification
import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from operators.bones.handedness import long_axis
from operators.bones.reference_shapes import ReferenceShape
from operators.geometry.meshes import Mesh
from operators.geometry.spheres import find_sphere
from operators.geometry.surface_points import surface_points
from operators.packages.structures import Side

Points = NDArray[np.float64]

ROUNDS, TRIANGLES = 10, 800


def main() -> None:
    """Reads surfaces and writes their mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("surfaces", type=Path, nargs="+")
    parser.add_argument("--side", choices=("left", "right"), required=True)
    parser.add_argument("--radius-mm", type=float, nargs=2, required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--licence", required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    corners, faces = read_surfaces(given.surfaces)
    shape = mean_shape(corners, faces, given.side, tuple(given.radius_mm))
    source = f"mean of {len(corners)} surfaces: {given.source}"
    given.out.write_text(json.dumps(table_of(shape, source, given.licence)) + "\n", encoding="utf-8")


def read_surfaces(paths: Sequence[Path]) -> tuple[Points, NDArray[np.int32]]:
    """Returns the vertices (S, N, 3) of surfaces in correspondence, and their faces."""
    found = [trimesh.load(path, process=False) for path in paths]
    corners = np.stack([np.asarray(each.vertices, float) for each in found])
    return corners, np.asarray(found[0].faces, np.int32)


def mean_shape(
    corners: Points, faces: NDArray[np.int32], side: Side, radii_mm: tuple[float, float]
) -> ReferenceShape:
    """Returns the mean of surfaces (S, N, 3), with as few triangles as can be shipped."""
    mean = upright(generalised_procrustes(corners), faces, radii_mm)
    vertices, triangles = fast_simplification.simplify(mean.astype(np.float32), faces, target_count=TRIANGLES)
    whole = Mesh(mean.astype(np.float32), faces)
    head = find_sphere(surface_points(whole), radii_mm)
    return ReferenceShape(
        side,
        np.asarray(vertices, float).round(1),
        np.asarray(triangles, np.int32),
        None if head is None else (head.centre.round(2), round(head.radius_mm, 2)),
    )


def generalised_procrustes(corners: Points) -> Points:
    """Returns the mean (N, 3) of shapes after similarity alignment (Gower 1975), of their mean size."""
    centred = corners - corners.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=(1, 2)).mean())
    mean = centred[0]
    for _ in range(ROUNDS):
        turned = [each @ Rotation.align_vectors(mean, each)[0].as_matrix().T for each in centred]
        mean = np.mean([each / np.linalg.norm(each) for each in turned], axis=0)
        mean *= size / np.linalg.norm(mean)
    return mean


def upright(corners: Points, faces: NDArray[np.int32], radii_mm: tuple[float, float]) -> Points:
    """Returns a bone with its long axis along z, its head up if it has one, its middle at the origin."""
    middle, axes, _ = long_axis(corners)
    turned: Points = (corners - middle) @ np.stack([axes[1], axes[2], axes[0]], axis=1)
    head = find_sphere(surface_points(Mesh(turned.astype(np.float32), faces)), radii_mm)
    down = head is not None and head.centre[2] < 0
    return turned * (1.0, -1.0, -1.0) if down else turned


def table_of(shape: ReferenceShape, source: str, licence: str) -> dict[str, object]:
    """Returns a shape as it stands in a file."""
    head = shape.head
    return {
        "source": source,
        "licence": licence,
        "side": shape.side,
        "head": None if head is None else {"centre_mm": head[0].tolist(), "radius_mm": head[1]},
        "vertices_mm": shape.vertices.ravel().round(1).tolist(),
        "faces": shape.faces.ravel().tolist(),
    }


if __name__ == "__main__":
    main()
