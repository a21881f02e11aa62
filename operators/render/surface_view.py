"""Draws a shaded picture of labelled bones, seen along the patient's front-to-back axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Labels = NDArray[np.unsignedinteger[Any]]
Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
SMOOTHING = 1.0  # standard deviation in cubes: hides the voxel steps, keeps gaps of two cubes
SURFACE = 0.33  # share of bone at which the surface lies: low, to keep sheets one cube thick
AMBIENT, DIFFUSE, HIGHLIGHT = 0.32, 0.74, 0.14
FAR = 0.35  # how much darker the farthest bone is than the nearest
LIGHT = np.array([-0.35, -0.8, 0.5]) / np.linalg.norm([-0.35, -0.8, 0.5])  # viewer at -y; left, up


def draw_front_and_back(labels: Labels, colours: Picture, background: Colour) -> tuple[Picture, Picture]:
    """Returns RGB (Z, X, 3) of `labels` (X, Y, Z), seen from y = 0 and from its other end, z upwards."""
    bone = ndimage.gaussian_filter((labels > 0).astype(np.float32), SMOOTHING, truncate=2.5)
    front = _view(labels, bone, colours, background)
    return front, _view(labels[::-1, ::-1], bone[::-1, ::-1], colours, background)


def _view(labels: Labels, bone: NDArray[np.float32], colours: Picture, background: Colour) -> Picture:
    depth, cover = _first_surface(bone)
    picture = shaded(colours[_seen_labels(labels)], _normals(bone, depth), depth, cover, background)
    return picture.swapaxes(0, 1)[::-1]


def shaded(
    rgb: Picture,
    normals: NDArray[np.float32],
    depth: NDArray[Any],
    cover: NDArray[np.float32],
    background: Colour,
) -> Picture:
    """Returns pixels (..., 3) of a surface with outer unit `normals` (..., 3) to the right, away and up.

    `depth` (...) grows away from the viewer; `cover` (...) is the covered share of a pixel, 0..1.
    """
    shade, highlight = _shading(normals)
    near = 1 - FAR * _relative(depth, cover > 0)
    lit = np.clip(rgb / 255.0 * (shade * near)[..., None] + (highlight * near)[..., None], 0, 1)
    picture = lit * cover[..., None] + np.array(background) / 255.0 * (1 - cover[..., None])
    return np.rint(picture * 255).astype(np.uint8)


def _first_surface(bone: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Returns the cube of the first surface along y, (X, Z), and the covered share of the pixel, 0..1."""
    most = bone.max(axis=1)
    inside = bone >= np.minimum(SURFACE, most * 0.99)[:, None, :]
    return inside.argmax(axis=1), np.clip((most - SURFACE / 2) / (SURFACE / 2), 0, 1)


def _normals(bone: NDArray[np.float32], depth: NDArray[np.intp]) -> NDArray[np.float32]:
    """Returns unit vectors (X, Z, 3) out of the bone, from central differences at the surface."""
    x, z = np.indices(depth.shape)
    here = np.stack([x, depth, z])
    gradient = np.empty((*depth.shape, 3), dtype=np.float32)
    for axis, size in enumerate(bone.shape):
        before, after = here.copy(), here.copy()
        before[axis] = np.maximum(here[axis] - 1, 0)
        after[axis] = np.minimum(here[axis] + 1, size - 1)
        gradient[..., axis] = bone[tuple(before)] - bone[tuple(after)]
    length = np.linalg.norm(gradient, axis=-1, keepdims=True)
    return np.asarray(gradient / np.maximum(length, 1e-6), dtype=np.float32)


def _shading(normals: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns Lambert's cosine with ambient light, and a soft highlight (Blinn 1977)."""
    lambert = np.clip(normals @ LIGHT, 0, 1)
    half = LIGHT + np.array([0.0, -1.0, 0.0])
    shine = np.clip(normals @ (half / np.linalg.norm(half)), 0, 1) ** 24
    return np.float32(AMBIENT) + np.float32(DIFFUSE) * lambert, np.float32(HIGHLIGHT) * shine


def _relative(depth: NDArray[Any], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    near, far = (depth[seen].min(), depth[seen].max()) if seen.any() else (0, 1)
    return np.clip((depth - near) / max(far - near, 1), 0, 1).astype(np.float32)


def _seen_labels(labels: Labels) -> Labels:
    """Returns the first label along y, (X, Z), or a neighbour's if there is none, for soft edges."""
    first = (labels > 0).argmax(axis=1)
    seen = np.take_along_axis(labels, first[:, None, :], axis=1)[:, 0, :]
    return np.where(seen > 0, seen, ndimage.grey_dilation(seen, size=(5, 5)))
