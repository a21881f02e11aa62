"""Finds the parts of two fragments' surfaces that face each other across a fracture, and their distance."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from operators.geometry.meshes import Mesh
from operators.geometry.volume import Grid
from operators.segmentation.measurements import Gap

Array = NDArray[np.float64]

# Faces farther apart are those of a hole in the bone, such as the obturator foramen (30 to 40 mm wide,
# Standring, Gray's Anatomy), rather than of one fracture
REACH_MM = 15.0
# Faces of a fracture look at each other: their normals are more than 120 degrees apart, and the nearest point
# lies less than 45 degrees off the normal
OPPOSITE, AHEAD = -0.5, 0.7
# Two fragments also face each other across holes and bends of the bone. On real pelves (patients 001 and 002
# of FracSegNet) such patches are 3 to 15 mm farther apart on average than the fracture's own
SAME_FRACTURE_MM = 2.0
LEAST_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class FractureFaces:
    """The gap in mm in front of each vertex of a fragment; infinite where it faces no other fragment."""

    gaps_mm: Array

    @property
    def is_face(self) -> NDArray[np.bool_]:
        """The vertices that lie on a fracture."""
        return np.isfinite(self.gaps_mm)


def fracture_faces(meshes: list[Mesh], grid: Grid) -> list[FractureFaces]:
    """Returns the fracture faces of each fragment of one bone, towards all the others."""
    gaps = [np.full(len(mesh.vertices_lps), np.inf) for mesh in meshes]
    trees = [cKDTree(mesh.vertices_lps) for mesh in meshes]
    touching_mm = float(np.linalg.norm(grid.spacing_mm))
    for a, b in combinations(range(len(meshes)), 2):
        for one, other in ((a, b), (b, a)):
            vertices, ahead_mm = facing(meshes[one], meshes[other], trees[other], touching_mm)
            gaps[one][vertices] = np.minimum(gaps[one][vertices], ahead_mm)
    return [FractureFaces(each) for each in gaps]


def facing(one: Mesh, other: Mesh, tree: cKDTree, touching_mm: float) -> tuple[NDArray[np.intp], Array]:
    """Returns the vertices of `one` that face `other`, and its distance along their normals, in mm."""
    low, high = other.vertices_lps.min(axis=0) - REACH_MM, other.vertices_lps.max(axis=0) + REACH_MM
    near = np.flatnonzero(((one.vertices_lps >= low) & (one.vertices_lps <= high)).all(axis=1))
    away_mm, nearest = tree.query(one.vertices_lps[near], distance_upper_bound=REACH_MM)
    near, nearest, away_mm = (each[np.isfinite(away_mm)] for each in (near, nearest, away_mm))
    steps = other.vertices_lps[nearest].astype(np.float64) - one.vertices_lps[near]
    ahead_mm = (steps * one.normals[near]).sum(axis=1)
    opposite = (one.normals[near] * other.normals[nearest]).sum(axis=1) < OPPOSITE
    seen = opposite & ((ahead_mm > AHEAD * away_mm) | (away_mm < touching_mm))
    return of_the_fracture(one, near[seen], np.maximum(ahead_mm[seen], 0.0))


def of_the_fracture(mesh: Mesh, vertices: NDArray[np.intp], gaps_mm: Array) -> tuple[NDArray[np.intp], Array]:
    """Returns the facing vertices in the closest patch, and in patches about as close as that one.

    Patches are connected over the mesh's edges; those under a fifth of the largest do not count as the
    closest.
    """
    if not len(vertices):
        return vertices, gaps_mm
    number = np.full(len(mesh.vertices_lps), -1)
    number[vertices] = np.arange(len(vertices))
    edges = number[np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]]])]
    edges = edges[(edges >= 0).all(axis=1)]
    joined = csr_array((np.ones(len(edges)), edges.T), shape=(len(vertices), len(vertices)))
    count, patch = connected_components(joined, directed=False)
    sizes = np.bincount(patch, minlength=count)
    means_mm = np.bincount(patch, gaps_mm, count) / sizes
    closest_mm = means_mm[sizes >= LEAST_SHARE * sizes.max()].min()
    kept = means_mm[patch] <= closest_mm + SAME_FRACTURE_MM
    return vertices[kept], gaps_mm[kept]


def gap_of(mesh: Mesh, faces: FractureFaces, grid: Grid) -> Gap | None:
    """Returns the gap over a fragment's fracture faces, each of which may be off by half a voxel."""
    gaps = faces.gaps_mm[faces.is_face]
    if not len(gaps):
        return None
    extents = np.abs(mesh.normals[faces.is_face] @ grid.ijk_to_lps[:3, :3]).sum(axis=1)
    return Gap(float(gaps.mean()), float(np.percentile(gaps, 95)), float(gaps.max()), float(extents.mean()))
