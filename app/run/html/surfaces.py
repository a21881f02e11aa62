"""The simplified surfaces of bones and fragments for a page, and the library that draws them."""

from __future__ import annotations

import base64
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
from fast_simplification import simplify

from app.run.html.content import colour_of
from operators.geometry.meshes import Mesh
from operators.segmentation.segmentation import Segment, Segmentation

# All surfaces together: 1.9 MB in the page; on a pelvis the edges of a face are 2 mm
FACES = 80_000
# Enough to keep the shape of a small fragment
FEWEST = 300


def drawn_parts(made: Segmentation) -> list[dict[str, Any]]:
    """Returns the input of view.js for each measured segment: vertices in LPS mm, faces, name, colour."""
    meshes = {row.value: row.mesh for row in made.measurements}
    parts = [segment for segment in made.segments if segment.value in meshes]
    share = FACES / max(sum(mesh.area_mm2 for mesh in meshes.values()), 1.0)
    # Not in parallel: the library uses memory that all threads share
    return [drawn_part(part, simplified(meshes[part.value], share)) for part in parts]


def simplified(mesh: Mesh, faces_a_mm2: float) -> Mesh:
    """Returns the surface with faces by its area (quadric error metrics, Garland and Heckbert 1997)."""
    wanted = max(int(mesh.area_mm2 * faces_a_mm2), FEWEST)
    if len(mesh.faces) <= wanted:
        return mesh
    vertices, faces = simplify(mesh.vertices_lps, mesh.faces, target_count=wanted)
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32))


def drawn_part(segment: Segment, mesh: Mesh) -> dict[str, Any]:
    """Returns the part with numbers little-endian, in base64."""
    return {
        "label": segment.label,
        "colour": colour_of(segment),
        "vertices": packed(mesh.vertices_lps.astype("<f4")),
        "faces": packed(mesh.faces.astype("<u4")),
    }


def packed(numbers: np.ndarray[Any, Any]) -> str:
    """Encodes numbers as text."""
    return base64.b64encode(np.ascontiguousarray(numbers).tobytes()).decode()


def three_js() -> str:
    """three.js (MIT), which trimesh includes for its own viewer, with its notice; it defines THREE."""
    # Importing trimesh takes longer than the rest of the page
    found = find_spec("trimesh")
    if found is None or found.origin is None:
        raise RuntimeError("expected trimesh with its viewer, found none")
    with ZipFile(Path(found.origin).parent / "resources" / "templates" / "viewer.zip") as archive:
        text = archive.read("viewer.html.template").decode("utf-8")
    start = text.index("/**\n * @license\n")
    # The notice, and the whole library on the line after it
    end = text.index("\n", text.index("*/", start) + len("*/\n"))
    return text[start:end]
