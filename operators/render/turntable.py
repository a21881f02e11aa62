"""Draws the bones from all sides, from their surfaces, for workstations that only show pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from operators.geometry.meshes import Mesh
from operators.geometry.patient_view import LEAST_EXTENT_MM
from operators.render.fracture_pictures import FONT_SIZE, INK, legend_below
from operators.render.surface_view import Colour, Picture, shaded
from operators.segmentation.segmentation import Segmentation

VIEWS = 12
SIDE, MARGIN = 400, 10  # pixels: about a voxel of a pelvis each
BACKGROUND: Colour = (0, 0, 0)
# Faces longer than this many pixels are subdivided: their middles are then less than a pixel apart, and
# single pixels between them are closed
LONGEST = 1.4
# In pixels: a pixel this much farther than all four neighbours is a hole, not the surface's slope
HOLE = 2.0
# PS3.3 C.7.6.1.1.1: letters along each axis of LPS, and against it
DIRECTIONS = (("L", "R"), ("P", "A"), ("H", "F"))
# A direction less than 15 degrees off an axis has only that axis's letter
ASIDE = 0.26

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Dots:
    """Points (N, 3) on all surfaces, in pixels from their middle along LPS, with outer normals and RGB."""

    points: Array
    normals: Array
    colours: Picture


@dataclass(frozen=True, eq=False)
class View:
    """RGB (SIDE + a legend, SIDE, 3), from `degrees` around the patient, from the front to the left."""

    rgb: Picture
    degrees: int


def draw_turntable(made: Segmentation) -> tuple[View, ...]:
    """Returns views from all around the upright patient; () if nothing is measured or fractured."""
    if not made.measurements or all(segment.fragment is None for segment in made.segments):
        return ()
    dots, legend = dots_of(made), legend_below(made.segments, SIDE)
    return tuple(
        View(np.concatenate([mark_directions(draw_view(dots, degrees), degrees), legend]), degrees)
        for degrees in range(0, 360, 360 // VIEWS)
    )


def mark_directions(rgb: Picture, degrees: int) -> Picture:
    """Adds the letters of the patient's directions at the left and right of the picture."""
    sheet = Image.fromarray(rgb)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(FONT_SIZE)
    x, y, _ = right_of(degrees)
    draw.text((4, SIDE // 2), letters((-x, -y, 0.0)), fill=INK, font=font)
    draw.text((SIDE - 4, SIDE // 2), letters((x, y, 0.0)), fill=INK, font=font, anchor="ra")
    return np.asarray(sheet)


def letters(direction: tuple[float, float, float]) -> str:
    """Returns the letters of the patient's directions for a unit vector (LPS), the nearest first."""
    near = sorted(zip(direction, DIRECTIONS, strict=True), key=lambda each: -abs(each[0]))
    return "".join(pair[0 if part > 0 else 1] for part, pair in near if abs(part) > ASIDE)


def right_of(degrees: int) -> tuple[float, float, float]:
    """Returns the direction of a view's rows, LPS."""
    turn = np.radians(degrees)
    return float(np.cos(turn)), float(np.sin(turn)), 0.0


def dots_of(made: Segmentation) -> Dots:
    """Returns points of all segments, scaled so that they stay in the picture as they turn."""
    colours = {segment.value: segment.rgb for segment in made.segments}
    corners = np.concatenate([row.mesh.vertices_lps for row in made.measurements])
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    away_mm = np.abs(corners - middle)
    reach_mm = max(np.linalg.norm(away_mm[:, :2], axis=1).max(), away_mm[:, 2].max(), LEAST_EXTENT_MM / 2)
    pixel_mm = 2 * reach_mm / (SIDE - 2 * MARGIN)
    found = [dense(row.mesh, LONGEST * pixel_mm) for row in made.measurements]
    rgb = np.array([colours[row.value] for row in made.measurements], np.uint8)
    return Dots(
        (np.concatenate([points for points, _ in found]) - middle) / pixel_mm,
        np.concatenate([normals for _, normals in found]),
        np.repeat(rgb, [len(points) for points, _ in found], axis=0),
    )


def dense(mesh: Mesh, longest_mm: float) -> tuple[Array, Array]:
    """Returns points and normals: all vertices, and the middles of faces, subdivided until they are short."""
    values = np.concatenate([mesh.vertices_lps, mesh.normals], axis=1)
    ends = [mesh.vertices_lps[mesh.faces[:, n]] for n in range(3)]
    sides = [np.linalg.norm(ends[n] - ends[n - 1], axis=1) for n in range(3)]
    cuts = np.ceil(np.max(sides, axis=0) / longest_mm).astype(int)
    found = [values]
    for count in np.unique(cuts).tolist():
        corners = values[mesh.faces[cuts == count]]
        found.extend(np.tensordot(corners, weights, (1, 0)) for weights in middles(count))
    together = np.concatenate(found).astype(np.float32)
    return together[:, :3], together[:, 3:]


def middles(count: int) -> list[Array]:
    """Returns the barycentric coordinates of the middles of a triangle's count * count equal parts."""
    found = []
    for a in range(count):
        for b in range(count - a):
            found.append((a + 1 / 3, b + 1 / 3))
            if a + b < count - 1:
                found.append((a + 2 / 3, b + 2 / 3))
    return [np.array([a, b, count - a - b], np.float32) / np.float32(count) for a, b in found]


def draw_view(dots: Dots, degrees: int) -> Picture:
    """Draws the nearest dot of each pixel, shaded, with parallel rays."""
    x, y, _ = right_of(degrees)
    turn = np.array([[x, y, 0], [-y, x, 0], [0, 0, 1]], np.float32)  # to the right, away, up
    towards = np.flatnonzero(dots.normals @ turn[1] < 0)
    right, away, up = turn @ dots.points[towards].T
    pixels = np.rint(SIDE / 2 - up).astype(np.intp) * SIDE + np.rint(SIDE / 2 + right).astype(np.intp)
    depth = np.full(SIDE * SIDE, np.inf, np.float32)
    np.minimum.at(depth, pixels, away)
    nearest = np.flatnonzero(away == depth[pixels])
    normals, colours = np.zeros((SIDE * SIDE, 3), np.float32), np.zeros((SIDE * SIDE, 3), np.uint8)
    normals[pixels[nearest]] = dots.normals[towards[nearest]] @ turn.T
    colours[pixels[nearest]] = dots.colours[towards[nearest]]
    source = close_surface(depth.reshape(SIDE, SIDE))
    depth, normals, colours = depth[source], normals[source], colours[source]
    cover = np.isfinite(depth).astype(np.float32)
    return shaded(colours, normals, np.where(cover > 0, depth, 0), cover, BACKGROUND)


def close_surface(depth: Array) -> NDArray[np.intp]:
    """Returns for each pixel (rows, columns) the flat index of the pixel that it shows: for a hole the one
    above it.

    Gaps one pixel wide stay, as they may be fractures.
    """
    source = np.arange(depth.size).reshape(depth.shape)
    inner = depth[1:-1, 1:-1]
    around = np.maximum.reduce([depth[:-2, 1:-1], depth[2:, 1:-1], depth[1:-1, :-2], depth[1:-1, 2:]])
    hole = np.isfinite(around) & (inner > around + np.float32(HOLE))
    source[1:-1, 1:-1][hole] -= depth.shape[1]
    return source
