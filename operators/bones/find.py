"""Finds a package's bones in the coarse network's output: the table FINDERS."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import Box, Grid
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.confidence import LIKELY
from operators.packages.packages import NetworkSpec
from operators.packages.seen import SeenStructure

Array = NDArray[np.float32]
PIECE_DISTANCE_MM = 25.0


@dataclass(frozen=True, eq=False)
class Look:
    """What the coarse network `spec` made of a whole scan: probabilities (classes, I, J, K) on `grid`.

    A structure is seen if it is more likely than not and has `least_ml` or more.
    """

    probabilities: Array
    grid: Grid
    spec: NetworkSpec
    least_ml: float = 0.0

    @cached_property
    def winner(self) -> NDArray[np.uint8]:
        """The number (I, J, K) of the likeliest class of each voxel."""
        winner: NDArray[np.uint8] = self.probabilities.argmax(axis=0).astype(np.uint8)
        return winner

    @cached_property
    def seen(self) -> tuple[SeenStructure, ...]:
        """The classes that were found."""
        classes = self.spec.classes
        counts = np.bincount(self.winner.ravel(), minlength=len(classes))
        boxes = ndimage.find_objects(self.winner, len(classes))
        return tuple(
            SeenStructure(classes[number], sure, float(ml), *corners_mm(self.grid.crop(Box.of(box))))
            for number, box in enumerate(boxes, start=1)
            if box is not None
            and (ml := counts[number] * self.grid.voxel_volume_mm3 / 1000) >= self.least_ml
            and (sure := float(self.probabilities[number][self.winner == number].mean())) >= LIKELY
        )


def region_of_interest(look: Look, package: CoarseToFinePackage, margin_mm: float) -> Box | None:
    """Returns the box around the voxels that the coarse network assigns to the package's bones, grown by
    `margin_mm`.

    Returns None if there are no such voxels, or if the network's probability is lower than the package
    requires.
    """
    found, probability = find_voxels(look, package)
    sure = probability[found].mean() if found.any() else 0.0
    if sure < package.accepts.minimum_probability:
        return None
    box = Box.around(found)
    return None if box is None else box.grow_mm(margin_mm, look.spec.spacing_mm, found.shape)


def find_voxels(look: Look, package: CoarseToFinePackage) -> tuple[NDArray[np.bool_], Array]:
    """Returns which voxels (I, J, K) are the package's bones, and how probable each is one of them."""
    spec = look.spec
    wanted = [spec.classes.index(label.found_by.coarse_class) for label in package.labels]
    found = FINDERS[package.find.keep](np.isin(look.winner, wanted), spec.spacing_mm, package)
    return found, look.probabilities[wanted].max(axis=0)


def corners_mm(grid: Grid) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Returns the outer corners (LPS, mm) of a grid whose axes run to left, posterior and superior."""
    ends = np.array([[-0.5, -0.5, -0.5, 1.0], [*(n - 0.5 for n in grid.shape), 1.0]]) @ grid.ijk_to_lps.T
    (x, y, z, _), (to_x, to_y, to_z, _) = ends.tolist()
    return (x, y, z), (to_x, to_y, to_z)


def largest_cluster(
    found: NDArray[np.bool_], spacing_mm: tuple[float, ...], package: CoarseToFinePackage
) -> NDArray[np.bool_]:
    """Returns the largest group of pieces less than 25 mm apart; isolated pieces far away are left out."""
    del package
    clusters, sizes = clusters_of(found, spacing_mm)
    if len(sizes) <= 1:
        return found
    cluster: NDArray[np.bool_] = found & (clusters == 1 + int(np.argmax(sizes)))
    return cluster


def all_clusters(
    found: NDArray[np.bool_], spacing_mm: tuple[float, ...], package: CoarseToFinePackage
) -> NDArray[np.bool_]:
    """Returns all groups of pieces at least as large as the smallest of the package's bones."""
    clusters, sizes = clusters_of(found, spacing_mm)
    least_mm3 = 1000 * min(label.found_by.minimum_ml for label in package.labels)
    kept = 1 + np.flatnonzero(sizes * np.prod(spacing_mm) >= least_mm3)
    large: NDArray[np.bool_] = found & np.isin(clusters, kept)
    return large


# The values that `find.keep` of package.toml may have
FINDERS = {"largest": largest_cluster, "all": all_clusters}


def clusters_of(
    found: NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Groups pieces less than 25 mm apart; returns each voxel's group (I, J, K) and each group's voxels."""
    reach = int(np.ceil(PIECE_DISTANCE_MM / 2 / spacing_mm[0]))
    clusters, count = ndimage.label(ndimage.maximum_filter(found, size=2 * reach + 1))
    return clusters, ndimage.sum_labels(found, clusters, np.arange(1, count + 1))
