"""Makes a mean shape of surfaces in correspondence, small enough to ship: derived statistics, not a surface.

python -m research.mean_shape FILES... --side left --radius-mm 17 32 --source TEXT --licence TEXT --out FILE

Without --radius-mm the bone keeps its pose in the body (LPS). --piece is one of several closed surfaces in
each file, counted from 0 in the order of their vertices.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import fast_simplification
import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

from operators.bones.handedness import long_axis
from operators.bones.reference_shapes import UNPAIRED, ReferenceShape
from operators.geometry.meshes import Mesh
from operators.geometry.spheres import find_sphere
from operators.geometry.surface_points import surface_points
from operators.packages.structures import Side
from training.command_line import run

Points = NDArray[np.float64]

ROUNDS, TRIANGLES = 10, 800


def main(
    *surfaces: Path,
    side: Side | None = None,
    radius_mm: tuple[float, float] | None = None,
    piece: int | None = None,
    source: str,
    licence: str,
    out: Path,
) -> None:
    """Reads surfaces and writes their mean; without `side`, the bone is not paired."""
    corners, faces = read_surfaces(surfaces)
    if piece is not None:
        corners, faces = piece_of(corners, faces, piece)
    shape = mean_shape(corners, faces, side, radius_mm)
    table = table_of(shape, side, f"mean of {len(corners)} surfaces: {source}", licence)
    out.write_text(json.dumps(table) + "\n", encoding="utf-8")


def read_surfaces(paths: Sequence[Path]) -> tuple[Points, NDArray[np.int32]]:
    """Returns the vertices (S, N, 3) of surfaces in correspondence, and their faces."""
    found = [trimesh.load(path, process=False) for path in paths]
    corners = np.stack([np.asarray(each.vertices, float) for each in found])
    return corners, np.asarray(found[0].faces, np.int32)


def piece_of(corners: Points, faces: NDArray[np.int32], number: int) -> tuple[Points, NDArray[np.int32]]:
    """Returns one of the closed surfaces that vertices (S, N, 3) and faces hold."""
    edges = coo_matrix((np.ones(len(faces) * 2), (faces[:, :2].T.ravel(), faces[:, 1:].T.ravel())))
    edges.resize((corners.shape[1],) * 2)
    own = connected_components(edges, directed=False)[1] == number
    places = np.cumsum(own, dtype=np.int32) - 1
    return corners[:, own], places[faces[own[faces[:, 0]]]]


def mean_shape(
    corners: Points, faces: NDArray[np.int32], side: Side | None, radii_mm: tuple[float, float] | None
) -> ReferenceShape:
    """Returns the mean of surfaces (S, N, 3), with as few triangles as can be shipped."""
    mean = posed_mean(corners, faces, radii_mm)
    vertices, triangles = fast_simplification.simplify(mean.astype(np.float32), faces, target_count=TRIANGLES)
    whole = Mesh(mean.astype(np.float32), faces)
    head = None if radii_mm is None else find_sphere(surface_points(whole), radii_mm)
    return ReferenceShape(
        side or UNPAIRED,
        np.asarray(vertices, float).round(1),
        np.asarray(triangles, np.int32),
        None if head is None else (head.centre.round(2), round(head.radius_mm, 2)),
    )


def posed_mean(corners: Points, faces: NDArray[np.int32], radii_mm: tuple[float, float] | None) -> Points:
    """Returns the mean (N, 3) of surfaces, upright by its head of one of these radii, or as in the body."""
    mean = generalised_procrustes(corners)
    return as_in_the_body(mean, corners) if radii_mm is None else upright(mean, faces, radii_mm)


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


def as_in_the_body(mean: Points, corners: Points) -> Points:
    """Returns a mean shape (N, 3) in the mean pose of the shapes (S, N, 3), its middle at the origin."""
    pose = (corners - corners.mean(axis=1, keepdims=True)).mean(axis=0)
    return mean @ Rotation.align_vectors(pose, mean)[0].as_matrix().T


def upright(corners: Points, faces: NDArray[np.int32], radii_mm: tuple[float, float]) -> Points:
    """Returns a bone with its long axis along z, its head up if it has one, its middle at the origin."""
    middle, axes, _ = long_axis(corners)
    turned: Points = (corners - middle) @ np.stack([axes[1], axes[2], axes[0]], axis=1)
    head = find_sphere(surface_points(Mesh(turned.astype(np.float32), faces)), radii_mm)
    down = head is not None and head.centre[2] < 0
    return turned * (1.0, -1.0, -1.0) if down else turned


def table_of(shape: ReferenceShape, side: Side | None, source: str, licence: str) -> dict[str, object]:
    """Returns a shape as it stands in a file."""
    head = shape.head
    return {
        "source": source,
        "licence": licence,
        **({"side": shape.side} if side else {}),
        "head": None if head is None else {"centre_mm": head[0].tolist(), "radius_mm": head[1]},
        "vertices_mm": shape.vertices.ravel().round(1).tolist(),
        "faces": shape.faces.ravel().tolist(),
    }


if __name__ == "__main__":
    run(main, __doc__)
