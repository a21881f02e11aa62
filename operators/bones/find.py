"""Where a package's bones are in what the coarse network saw: the table FINDERS."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.volume import Box
from operators.packages.packages import CoarseToFinePackage, NetworkSpec

Array = NDArray[np.float32]
PIECE_DISTANCE_MM = 25.0


def region_of_interest(
    probabilities: Array, spec: NetworkSpec, package: CoarseToFinePackage, margin_mm: float
) -> Box | None:
    """The box that holds what the coarse network calls the package's bones, grown by `margin_mm`.

    None where there are none, or where the network is less sure of them than the package asks for.
    """
    wanted = [spec.classes.index(label.found_by.coarse_class) for label in package.labels]
    found = np.isin(probabilities.argmax(axis=0), wanted)
    found = FINDERS[package.find.keep](found, spec.spacing_mm, package)
    sure = probabilities[wanted].max(axis=0)[found].mean() if found.any() else 0.0
    if sure < package.accepts.minimum_probability:
        return None
    box = Box.around(found)
    return None if box is None else box.grow_mm(margin_mm, spec.spacing_mm, found.shape)


def largest_cluster(
    found: NDArray[np.bool_], spacing_mm: tuple[float, ...], package: CoarseToFinePackage
) -> NDArray[np.bool_]:
    """The greatest group of pieces less than 25 mm apart: strays far away are no part of it."""
    del package
    clusters, sizes = clusters_of(found, spacing_mm)
    if len(sizes) <= 1:
        return found
    cluster: NDArray[np.bool_] = found & (clusters == 1 + int(np.argmax(sizes)))
    return cluster


def all_clusters(
    found: NDArray[np.bool_], spacing_mm: tuple[float, ...], package: CoarseToFinePackage
) -> NDArray[np.bool_]:
    """Every group of pieces that holds as much as the least of the package's bones."""
    clusters, sizes = clusters_of(found, spacing_mm)
    least_mm3 = 1000 * min(label.found_by.minimum_ml for label in package.labels)
    kept = 1 + np.flatnonzero(sizes * np.prod(spacing_mm) >= least_mm3)
    large: NDArray[np.bool_] = found & np.isin(clusters, kept)
    return large


# What `find.keep` of package.toml may say
FINDERS = {"largest": largest_cluster, "all": all_clusters}


def clusters_of(
    found: NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Groups of pieces less than 25 mm apart: their numbers at each voxel, and how many voxels each has."""
    reach = int(np.ceil(PIECE_DISTANCE_MM / 2 / spacing_mm[0]))
    clusters, count = ndimage.label(ndimage.maximum_filter(found, size=2 * reach + 1))
    return clusters, ndimage.sum_labels(found, clusters, np.arange(1, count + 1))
