"""Reads the shapes of cases.toml, draws surfaces as voxels, and cuts them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import trimesh
from numpy.typing import NDArray

from operators.geometry.meshes import Mesh, mesh_of
from operators.geometry.surface_points import SurfacePoints
from operators.geometry.volume import Box, Grid, LabelMap
from operators.image_files.label_files import RAS_TO_LPS
from operators.packages.structures import Side
from training.datasets.surfaces import voxelise

CASES = Path(__file__).with_name("cases.toml")
MARGIN_VOXELS = 4
# A grid that no vertex of a surface lies on
OFF_MM = 1e-4


@dataclass(frozen=True, eq=False)
class Shape:
    """One bone of a known side, from the file `path`; `in_mean`: it is part of the mean shape that ships."""

    name: str
    path: Path
    structure: str
    side: Side
    whole: bool
    in_mean: bool
    mesh: Mesh


def read_shapes(data: Path) -> Iterator[Shape]:
    """Yields all shapes that lie below the folder of the data."""
    for row in tomllib.loads(CASES.read_text(encoding="utf-8"))["sets"]:
        for path in sorted(data.glob(row["files"])):
            mm = row.get("mm", 1.0)
            mesh = read_label(path, row["label"]) if "label" in row else read_surface(path, mm)
            if mesh is not None:
                yield shape_of(row, path, mesh)


def shape_of(row: dict[str, Any], path: Path, mesh: Mesh) -> Shape:
    """Returns a shape under the name of its file, and of its label if it has one."""
    name = " ".join([path.name.split(".")[0], *([row["label"]] if "label" in row else [])])
    whole, in_mean = row.get("whole", False), row.get("mean_of", False)
    return Shape(name, path, row["structure"], row["side"], whole, in_mean, mesh)


def read_surface(path: Path, mm: float) -> Mesh:
    """Returns a surface in mm; `mm` are those of one unit of the file."""
    found = trimesh.load(path, process=True)
    trimesh.repair.fix_normals(found)
    return Mesh((np.asarray(found.vertices) * mm).astype(np.float32), np.asarray(found.faces, np.int32))


def read_label(path: Path, name: str) -> Mesh | None:
    """Returns the surface of a label; None where the label map does not hold it."""
    names = json.loads((path.parent / "labels.json").read_text(encoding="utf-8"))
    value = next(int(value) for value, each in names.items() if each == name)
    image = nibabel.load(path)
    mask = np.asarray(image.dataobj) == value
    box = Box.around(mask)
    if box is None:
        return None
    return mesh_of(mask[box.slices], Grid(mask.shape, RAS_TO_LPS @ image.affine).crop(box))


def voxelised(mesh: Mesh, spacing_mm: float) -> LabelMap:
    """Draws a closed surface as label 1."""
    low = mesh.vertices_lps.min(axis=0).astype(np.float64) - MARGIN_VOXELS * spacing_mm + OFF_MM
    extent = np.ptp(mesh.vertices_lps, axis=0) / spacing_mm + 2 * MARGIN_VOXELS
    n_i, n_j, n_k = (int(n) for n in np.ceil(extent))
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = low
    grid = Grid((n_i, n_j, n_k), affine)
    inside = voxelise(mesh.vertices_lps.astype(np.float64), mesh.faces.astype(np.int64), grid)
    return LabelMap(inside.astype(np.uint8), grid)


def between(surface: SurfacePoints, heights: NDArray[np.float64], low: float, high: float) -> SurfacePoints:
    """Returns the points whose height (N,) as a share of the bone's length lies between two."""
    share = (heights - heights.min()) / np.ptp(heights)
    return surface.where((share >= low) & (share <= high))
