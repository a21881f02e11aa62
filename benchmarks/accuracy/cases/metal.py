"""Adds a steel plate with screws to a bone, and the streaks that metal causes in CT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.accuracy.cases.degradations import HIGHEST_HU, stored_hu
from benchmarks.accuracy.cases.scan import Scan, axis_along, scan_of
from operators.geometry.volume import Grid

Field = NDArray[np.float32]

# About the size of common 3.5 mm reconstruction plates and their screws
PLATE_HALF_MM = (1.5, 5.0, 35.0)
SCREW_RADIUS_MM, SCREW_LENGTH_MM = 1.75, 30.0
SCREWS_AT_MM = (-24.0, 0.0, 24.0)
# Pixel size and number of views for streaks, which are smooth: coarse, to save time
PIXEL_MM, VIEWS = 2.0, 90
# Darkest band between two pieces of metal, as seen in CTs with hip prostheses
DEEPEST_HU = -500.0


def with_metal(scan: Scan) -> Scan:
    """Adds a plate to the largest bone; the ground truth stays, so screws in bone count as bone."""
    metal = implant(scan)
    hu = scan.ct.hu + streaks(metal, scan.grid)
    return scan_of(stored_hu(np.where(metal, HIGHEST_HU, hu)), scan.truth.labels, scan.grid)


def implant(scan: Scan) -> NDArray[np.bool_]:
    """Returns a plate along z on the lateral side of the largest bone at half its height, with screws."""
    bone, counts = scan.truth.labels, np.bincount(scan.truth.labels.ravel())[1:]
    voxels = np.argwhere(bone == 1 + int(np.argmax(counts)))
    lps = scan.grid.to_lps(voxels)
    middle_x = float(np.median((scan.grid.ijk_to_lps @ [*(np.array(scan.grid.shape) / 2), 1.0])[0]))
    outward = 1.0 if lps[:, 0].mean() > middle_x else -1.0
    level = lps[np.abs(lps[:, 2] - lps[:, 2].mean()) <= scan.grid.spacing_mm[2]]
    place = level[np.argmax(outward * level[:, 0])]
    away = [(g - c) for g, c in zip(positions(scan.grid), place, strict=True)]
    plate = np.logical_and.reduce([np.abs(d) <= h for d, h in zip(away, PLATE_HALF_MM, strict=True)])
    return plate | screws(away, outward)


def screws(away: list[Field], outward: float) -> NDArray[np.bool_]:
    """Returns rods along x from the plate inwards."""
    depth = -outward * away[0]
    along = (depth >= 0) & (depth <= SCREW_LENGTH_MM)
    return along & np.logical_or.reduce(
        [np.hypot(away[1], away[2] - z) <= SCREW_RADIUS_MM for z in SCREWS_AT_MM]
    )


def positions(grid: Grid) -> list[Field]:
    """Returns the patient's x, y and z at every voxel."""
    i, j, k = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
    m = grid.ijk_to_lps
    return [(m[a, 0] * i + m[a, 1] * j + m[a, 2] * k + m[a, 3]).astype(np.float32) for a in range(3)]


def streaks(metal: NDArray[np.bool_], grid: Grid) -> Field:
    """Returns HU to add: beam hardening grows with the square of a ray's path through metal.

    The error of each ray is filtered and backprojected as in a scanner (Kak and Slaney,
    Principles of Computerized Tomographic Imaging, 1988, chapters 3 and 4).
    """
    axis, _ = axis_along(grid, 2)
    stack = np.moveaxis(metal, axis, 0)
    hit = np.flatnonzero(stack.any(axis=(1, 2)))
    zoom = [s / PIXEL_MM for a, s in enumerate(grid.spacing_mm) if a != axis]
    small = ndimage.zoom(stack[hit].astype(np.float32), (1, *zoom), order=1)
    artefact = projected_back(small)
    artefact *= DEEPEST_HU / artefact[small < 0.5].min()
    back = [n / m for n, m in zip(stack.shape[1:], artefact.shape[1:], strict=True)]
    added = np.zeros(stack.shape, np.float32)
    added[hit] = ndimage.zoom(artefact, (1, *back), order=1)
    return np.moveaxis(added, 0, axis)


def projected_back(metal: Field) -> Field:
    """Returns the filtered backprojection of the error of parallel rays through a stack of slices."""
    found = np.zeros_like(metal)
    rows, columns = (np.arange(n) - (n - 1) / 2 for n in metal.shape[1:])
    bins = 2 * int(np.hypot(*metal.shape[1:]) / 2 + 1)
    ramp = np.abs(np.fft.rfftfreq(bins))
    for angle in np.linspace(0, np.pi, VIEWS, endpoint=False):
        ray = np.rint(rows[:, None] * np.cos(angle) + columns * np.sin(angle)).astype(int) + bins // 2
        error = -(projection(metal, ray, bins) ** 2)
        filtered = np.fft.irfft(np.fft.rfft(error, axis=1) * ramp, n=bins, axis=1)
        found += filtered.astype(np.float32)[:, ray]
    return found


def projection(metal: Field, ray: NDArray[np.int_], bins: int) -> NDArray[np.float64]:
    """Returns the metal along each ray (slices, bins); `ray` (rows, columns) is the bin of each pixel."""
    where = np.nonzero(metal)
    index = where[0] * bins + ray[where[1], where[2]]
    total = np.asarray(np.bincount(index, metal[where], len(metal) * bins), np.float64)
    return total.reshape(len(metal), bins)
