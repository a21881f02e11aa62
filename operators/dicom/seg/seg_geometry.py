"""The positions of the frames of a SEG."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from operators.dicom.elements.attributes import items
from operators.errors import UnreadableError
from operators.geometry.projection import projection_grid
from operators.geometry.volume import Grid

EVEN = 0.1  # of a slice: frames this near to whole multiples of a spacing are evenly spaced
TOUCHING_MM = 1e-3  # frames nearer than this along the normal lie on one slice
ON_GRID_MM = 0.1  # a frame's first voxel may lie this far from the grid's, within its slice


@dataclass(frozen=True, eq=False)
class SegPlacement:
    """A grid (columns, rows, slices), and the slice of each frame in the order of the frames."""

    grid: Grid
    slices: tuple[int, ...]


def placement_of(dataset: Dataset) -> SegPlacement:
    """Returns the evenly spaced grid that the frames span; it includes slices without frames.

    Frames on one radiograph have no position in the patient; their grid is (columns, rows, 1), in pixels.
    """
    if is_on_one_projection(dataset):
        grid = projection_grid(int(dataset.Rows), int(dataset.Columns), None)
        return SegPlacement(grid, (0,) * int(dataset.NumberOfFrames))
    positions_mm, plane = _positions_mm(dataset), _plane(dataset)
    normal = np.cross(plane[:, 0], plane[:, 1])
    normal /= np.linalg.norm(normal)
    distances_mm = positions_mm @ normal
    first, last = int(distances_mm.argmin()), int(distances_mm.argmax())
    spacing_mm = _slice_spacing_mm(dataset, distances_mm - distances_mm[first])
    slices = np.rint((distances_mm - distances_mm[first]) / spacing_mm).astype(int)
    affine = np.eye(4)
    affine[:3, :2], affine[:3, 2], affine[:3, 3] = plane, normal * spacing_mm, positions_mm[first]
    if slices[last]:
        affine[:3, 2] = (positions_mm[last] - positions_mm[first]) / slices[last]
    shape = (int(dataset.Columns), int(dataset.Rows), int(slices[last]) + 1)
    grid = Grid(shape, affine, str(dataset.get("FrameOfReferenceUID", "")))
    return SegPlacement(grid, tuple(int(k) for k in slices))


def placement_on(dataset: Dataset, grid: Grid) -> SegPlacement:
    """Returns the slices of `grid` that the frames lie on; raises UnreadableError if one lies elsewhere."""
    if (dataset.Columns, dataset.Rows) != grid.shape[:2]:
        raise UnreadableError(
            f"expected frames of {grid.shape[:2]} columns and rows, got {dataset.Columns, dataset.Rows}"
        )
    if is_on_one_projection(dataset):
        if grid.shape[2] != 1:
            raise UnreadableError("expected frames on slices of a grid, got frames on a radiograph")
        return SegPlacement(grid, (0,) * int(dataset.NumberOfFrames))
    positions = np.column_stack([_positions_mm(dataset), np.ones(len(_positions_mm(dataset)))])
    indices = (positions @ grid.lps_to_ijk.T)[:, :3]
    slices = np.rint(indices[:, 2]).astype(int)
    off_mm = np.abs(indices[:, :2]) * grid.spacing_mm[:2]
    turned = np.abs(_plane(dataset) - grid.ijk_to_lps[:3, :2]) * max(grid.shape[:2])
    if max(off_mm.max(), turned.max()) > ON_GRID_MM or slices.min() < 0 or slices.max() >= grid.shape[2]:
        raise UnreadableError("expected frames that lie on slices of the grid, got frames elsewhere")
    return SegPlacement(grid, tuple(int(k) for k in slices))


def is_on_one_projection(dataset: Dataset) -> bool:
    """Returns whether all frames lie on one image without a frame of reference, such as a radiograph."""
    shared = items(dataset, "SharedFunctionalGroupsSequence")
    groups = items(dataset, "PerFrameFunctionalGroupsSequence")
    if "FrameOfReferenceUID" in dataset or any(
        "PlanePositionSequence" in each for each in (*shared, *groups)
    ):
        return False
    sources = [
        (str(source.ReferencedSOPInstanceUID), str(source.get("ReferencedFrameNumber", "")))
        for group in groups
        for derivation in items(group, "DerivationImageSequence")
        for source in items(derivation, "SourceImageSequence")
    ]
    return len(sources) == len(groups) and len(set(sources)) == 1


def _positions_mm(dataset: Dataset) -> NDArray[np.float64]:
    shared = dataset.SharedFunctionalGroupsSequence[0].get("PlanePositionSequence")
    groups = dataset.PerFrameFunctionalGroupsSequence
    items = [shared or group.PlanePositionSequence for group in groups]
    return np.array([item[0].ImagePositionPatient for item in items], dtype=np.float64)


def _plane(dataset: Dataset) -> NDArray[np.float64]:
    """3x2: the steps in mm from column to column and from row to row (PS3.3 C.7.6.2.1.1)."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    if "PlaneOrientationSequence" not in shared or "PixelMeasuresSequence" not in shared:
        raise UnreadableError("expected one orientation and pixel spacing for all frames, got none shared")
    cosines = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, dtype=np.float64)
    between_rows, between_columns = shared.PixelMeasuresSequence[0].PixelSpacing
    return cosines.reshape(2, 3).T * [float(between_columns), float(between_rows)]


def _slice_spacing_mm(dataset: Dataset, distances_mm: NDArray[np.float64]) -> float:
    """Returns the declared spacing if the frames agree with it, else the smallest step between two."""
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    declared = float(measures.get("SpacingBetweenSlices") or 0)
    if declared > 0 and _whole(distances_mm / declared):
        return declared
    steps = np.diff(np.unique(distances_mm))
    steps = steps[steps > TOUCHING_MM]
    return float(steps.min()) if steps.size else declared or float(measures.get("SliceThickness") or 1)


def _whole(multiples: NDArray[np.float64]) -> bool:
    return bool((np.abs(multiples - np.rint(multiples)) < EVEN).all())
