"""Puts bones masked out of a CT into the body of a label map, which is deformed to fit the bones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from training.sampling import enlarged
from training.subjects.tissues import tissue_of

POINTS = 1500
# Enough for the fit to converge: its steps shrink by about a third each time
ROUNDS = 25
# Share of matches that is kept: the worst belong to differences between the bodies, such as fractures
TRUSTED = 0.8
# Smoothing lengths of the deformation, from coarse to fine
BENDS_MM = (40.0, 20.0)
NEIGHBOURS = 40
COARSE = 8
Points = NDArray[np.float64]
Labels = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Body:
    """A label map with axes along left, posterior, superior, and the names of its values."""

    structures: Labels
    names: dict[int, str]
    spacing_mm: float


def surround_with_body(
    bones: Body, donor: Body, dropped: set[str], at: NDArray[np.float32] | None = None
) -> Body:
    """Returns `bones` with the donor's structures around them, found at `at` or else where they fit best.

    The donor's own bones of the same names, and those named in `dropped`, become connective tissue where
    the new ones do not cover them.
    """
    if at is None:
        at = fitted_places(bones, donor, set(bones.names.values()))
    first = max(bones.names) + 1
    gone = dropped | set(bones.names.values())
    lookup = np.zeros(256, np.uint8)
    for value, name in donor.names.items():
        lookup[value] = 0 if name in gone else first + value
    around = ndimage.map_coordinates(donor.structures, at, order=0, mode="constant", cval=0)
    # The bones of two bodies never fit exactly, so a voxel of joint space stays between them
    hard = np.zeros(256, bool)
    hard[[value for value, name in donor.names.items() if tissue_of(name).bone]] = True
    around[ndimage.binary_dilation(bones.structures > 0) & hard[around]] = 0
    structures = np.where(bones.structures > 0, bones.structures, lookup[around])
    return Body(structures, bones.names | {first + v: n for v, n in donor.names.items()}, bones.spacing_mm)


def places_at(
    shape: tuple[int, ...], spacing_mm: float, origin_mm: Points, donor: Body
) -> NDArray[np.float32]:
    """Returns the donor's index (3, I, J, K) for every voxel of a frame that shares its axes in mm."""
    return np.stack(
        np.meshgrid(
            *(
                ((np.arange(n) * spacing_mm + start) / donor.spacing_mm).astype(np.float32)
                for n, start in zip(shape, origin_mm, strict=True)
            ),
            indexing="ij",
        )
    )


def fitted_places(bones: Body, donor: Body, names: set[str]) -> NDArray[np.float32]:
    """Returns the donor's index (3, I, J, K) for every voxel of `bones` that fits the named bones best."""
    pairs = [
        (surface_points(bones, name), cKDTree(surface_points(donor, name)))
        for name in sorted(names & {*bones.names.values()} & {*donor.names.values()})
    ]
    affine = fitted_affine(pairs)
    coarse = tuple(-(-n // COARSE) + 1 for n in bones.structures.shape)
    nodes = np.stack(np.meshgrid(*(np.arange(n) * COARSE for n in coarse), indexing="ij"), -1).reshape(-1, 3)
    nodes_mm = nodes * bones.spacing_mm
    places_mm = moved(affine, nodes_mm)
    surface = np.concatenate([points for points, _ in pairs])
    residual = np.zeros_like(surface)
    for length_mm in BENDS_MM:
        found, start = [], 0
        for points, tree in pairs:
            own = moved(affine, points) + residual[start : start + len(points)]
            found.append(tree.data[tree.query(own)[1]] - own)
            start += len(points)
        offsets = np.concatenate(found)
        residual += smoothed(surface, offsets, surface, length_mm)
        places_mm += smoothed(surface, offsets, nodes_mm, length_mm)
    grids = (places_mm / donor.spacing_mm).astype(np.float32).T.reshape(3, *coarse)
    return np.stack([enlarged(grid, bones.structures.shape, COARSE) for grid in grids])


def surface_points(body: Body, name: str) -> Points:
    """Returns evenly picked points in mm on the surface of a structure."""
    value = next(value for value, other in body.names.items() if other == name)
    mask = body.structures == value
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    inside = np.pad(mask[box], 1)
    shell = np.argwhere(inside & ~ndimage.binary_erosion(inside)) - 1 + [s.start for s in box]
    step = max(1, len(shell) // POINTS)
    return shell[::step] * body.spacing_mm


def fitted_affine(pairs: list[tuple[Points, cKDTree]]) -> Points:
    """Returns the affine (4, 3) that maps points onto the surfaces paired with them.

    Trimmed ICP (Chetverikov et al. 2002), initialised by centres and extents of both point clouds.
    """
    here = np.concatenate([points for points, _ in pairs])
    there = np.concatenate([tree.data for _, tree in pairs])
    scale = there.std(axis=0) / here.std(axis=0)
    affine = np.vstack([np.diag(scale), there.mean(axis=0) - here.mean(axis=0) * scale])
    with_one = np.column_stack([here, np.ones(len(here))])
    for _ in range(ROUNDS):
        matched = [tree.query(moved(affine, points)) for points, tree in pairs]
        distance = np.concatenate([m[0] for m in matched])
        target = np.concatenate([tree.data[m[1]] for m, (_, tree) in zip(matched, pairs, strict=True)])
        near = distance <= np.quantile(distance, TRUSTED)
        affine = np.linalg.lstsq(with_one[near], target[near], rcond=None)[0]
    return affine


def moved(affine: Points, points: Points) -> Points:
    """Maps points (N, 3) through an affine (4, 3)."""
    return points @ affine[:3] + affine[3]


def smoothed(known: Points, offsets: Points, wanted: Points, length_mm: float) -> Points:
    """Interpolates known offsets at other points, as Gaussian means of the nearest ones."""
    distance, index = cKDTree(known).query(wanted, k=min(NEIGHBOURS, len(known)))
    # Far from all known points the nearest still count
    weight = np.exp(-0.5 * (distance**2 - distance[:, :1] ** 2) / length_mm**2)
    return (weight[..., None] * offsets[index]).sum(axis=1) / weight.sum(axis=1, keepdims=True)
