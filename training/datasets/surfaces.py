"""Closed surfaces as masks on a CT's grid, one class for each colour, or for each file.

A colour is that of a PLY's vertices or of a binary STL (as VisCAM and Magics store it), or a word or a letter
in the file name. Several files of one colour are one class; files without colours are a class each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from operators.errors import UnreadableError, UnsuitableError, reason
from operators.geometry.volume import CtVolume, Grid
from operators.image_files.label_files import stem
from training.datasets.label_maps import Labelled, Mask, combine
from training.datasets.naming import Numbering
from training.datasets.surface_frames import Frame, frame_of
from training.subjects.meshes import Part, voxels_inside

SUFFIXES = (".stl", ".ply", ".obj")
COLOURS = {
    "red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "cyan": (0, 1, 1),
    "magenta": (1, 0, 1),
}  # fmt: skip
LETTERS = {name[0]: name for name in COLOURS}
# A colour in a file name: its word or its letter by itself, and the number of the piece
COLOUR_WORD = re.compile(rf"(?:^|.*[^a-z])({'|'.join([*COLOURS, *LETTERS])})[\s_.-]*\d*$")
# Paler colours count as none: the grey and white that programs give to everything
LEAST_SATURATION = 0.4
# A binary STL: a header, the number of triangles, 50 bytes for each, of which the last two may hold a colour
HEADER_BYTES, TRIANGLE = 84, np.dtype([("numbers", "<f4", 12), ("colour", "<u2")])
MAGICS = b"COLOR="
UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, NotImplementedError)


@dataclass(frozen=True, eq=False)
class Surface:
    """A closed surface: `points` (N, 3) in the file's own space, `faces` (M, 3), outer `normals` (N, 3)."""

    name: str
    points: NDArray[np.float64]
    faces: NDArray[np.int64]
    normals: NDArray[np.float64]
    colour: str | None


def is_surface(path: Path) -> bool:
    """Returns whether a file's name says that it is a surface."""
    return path.name.lower().endswith(SUFFIXES)


def label_surfaces(image: CtVolume, paths: Sequence[Path], numbering: Numbering) -> Labelled:
    """Returns the labels of the surfaces of one case. Raises UnreadableError, UnsuitableError."""
    surfaces = [read_surface(path) for path in paths]
    frame = frame_of([(each.points, each.normals) for each in surfaces], image)
    named, notes = classes_of(surfaces)
    labels, shared = combine(masks_of(named, frame, image.grid), image.grid, numbering)
    return Labelled(image, labels, (*frame.notes, *notes, *shared))


def read_surface(path: Path) -> Surface:
    """Returns a surface with its colour. Raises UnreadableError; UnsuitableError if it is open or empty."""
    try:
        mesh: Any = trimesh.load(path, process=True, force="mesh")
        points, faces = np.array(mesh.vertices, np.float64), np.array(mesh.faces, np.int64)
        colour = colour_of(path, mesh)
    except UNREADABLE as error:
        raise UnreadableError(
            f"expected a surface in {path.name}, could not read it: {reason(error)}"
        ) from error
    if not len(faces) or not np.isfinite(points).all():
        raise UnsuitableError(
            f"expected a surface of triangles in {path.name}, got none", code="empty_surface"
        )
    require_closed(faces, path.name)
    sign = 1.0 if mesh.volume >= 0 else -1.0
    return Surface(stem_of(path), points, faces, sign * np.array(mesh.vertex_normals), colour)


def stem_of(path: Path) -> str:
    """Returns the file's name without its suffix."""
    return path.name[: -len(path.suffix)] if is_surface(path) else stem(path.name)


def require_closed(faces: NDArray[np.int64], name: str) -> None:
    """Raises UnsuitableError for a surface with an edge that only one triangle has: it encloses nothing."""
    edges = np.sort(faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    lone = int(np.count_nonzero(count % 2))
    if lone:
        raise UnsuitableError(
            f"expected a closed surface in {name}, got one with {lone} open edges of {len(count)}",
            code="open_surface",
        )


def classes_of(surfaces: Sequence[Surface]) -> tuple[list[tuple[str, Surface]], tuple[str, ...]]:
    """Returns the class of each surface: its colour if all have one, else its name; and a note on how."""
    coloured = [each.colour or colour_word(each.name) for each in surfaces]
    if all(coloured):
        return [(str(colour), each) for colour, each in zip(coloured, surfaces, strict=True)], ()
    notes = ("only some surfaces have a colour: each file is a class of its own",) if any(coloured) else ()
    return [(each.name, each) for each in surfaces], notes


def masks_of(named: Sequence[tuple[str, Surface]], frame: Frame, grid: Grid) -> Iterator[Mask]:
    """Yields the voxels of each class. Raises UnsuitableError for a surface around no voxel's centre."""
    for name in dict.fromkeys(name for name, _ in named):
        inside = np.zeros(grid.shape, bool)
        for surface in (each for known, each in named if known == name):
            within = voxelise(frame.place(surface.points), surface.faces, grid)
            if not within.any():
                raise UnsuitableError(
                    f"expected {surface.name} to enclose voxels of the image, it encloses no voxel's centre",
                    code="empty_surface",
                )
            inside |= within
        yield Mask(name, inside)


def voxelise(points_lps: NDArray[np.float64], faces: NDArray[np.int64], grid: Grid) -> NDArray[np.bool_]:
    """Returns the voxels (I, J, K) of a grid whose centres lie inside a closed surface, cut off by it."""
    indices = grid.to_ijk(points_lps)
    box, within = voxels_inside(Part("", indices, faces), np.zeros(3), 1.0)
    inside = np.zeros(grid.shape, bool)
    low = [max(-part.start, 0) for part in box]
    there = tuple(
        slice(max(part.start, 0), min(part.stop, size)) for part, size in zip(box, grid.shape, strict=True)
    )
    if all(part.stop > part.start for part in there):
        taken = tuple(
            slice(start, start + part.stop - part.start) for start, part in zip(low, there, strict=True)
        )
        inside[there] = within[taken]
    return inside


def colour_word(name: str) -> str | None:
    """Returns the colour that a file name ends in."""
    found = COLOUR_WORD.fullmatch(name.lower())
    return found and (LETTERS.get(found[1]) or found[1])


def colour_of(path: Path, mesh: Any) -> str | None:
    """Returns the nearest of COLOURS to the colour of most of a surface; None for none, or a pale one."""
    if path.suffix.lower() == ".stl":
        rgb = stl_colours(path.read_bytes())
    else:
        rgb = mesh.visual.vertex_colors[:, :3] / 255 if mesh.visual.defined else np.zeros((0, 3))
    if not len(rgb):
        return None
    most = np.median(rgb, axis=0)
    if most.max() - most.min() < LEAST_SATURATION * max(most.max(), 1e-9):
        return None
    bright = most / most.max()
    return min(COLOURS, key=lambda name: float(np.abs(bright - COLOURS[name]).sum()))


def stl_colours(content: bytes) -> NDArray[np.float64]:
    """Returns the colours (N, 3), 0 to 1, of a binary STL's triangles or its header; none without."""
    none = np.zeros((0, 3))
    count = int.from_bytes(content[HEADER_BYTES - 4 : HEADER_BYTES], "little")
    if len(content) != HEADER_BYTES + count * TRIANGLE.itemsize:
        return none
    header, at = content[: HEADER_BYTES - 4], content[: HEADER_BYTES - 4].find(MAGICS)
    stored = np.frombuffer(content, TRIANGLE, offset=HEADER_BYTES)["colour"]
    own = stored[stored >> 15 == (at < 0)]
    if at >= 0 and not stored.any():
        own = own[:0]
    if len(own):
        # Magics stores red in the lowest bits, VisCAM blue
        parts = np.stack([own >> shift & 31 for shift in (0, 5, 10)], axis=1) / 31
        return parts if at >= 0 else parts[:, ::-1]
    if at < 0:
        return none
    return np.frombuffer(header[at + len(MAGICS) :][:3], np.uint8)[None] / 255
