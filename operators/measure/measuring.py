"""Measures every segment of a segmentation: its size, and for fragments the table MEASUREMENTS.

Each package names the rows for its bones, as `measurements` of package.toml.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.symmetry import mirror_plane
from operators.geometry.meshes import farthest_pair, mesh_of
from operators.geometry.volume import Box, CtVolume, Grid, LabelMap
from operators.measure.fracture_faces import gap_of
from operators.measure.long_bones import LONG_BONE_MEASUREMENTS
from operators.measure.measured_bone import Found, MeasuredBone, Rows
from operators.measure.mirrored_side import measure_displacement, mirror_points
from operators.measure.naming import NAMES
from operators.measure.places import add_places
from operators.measure.vertebral.rows import VERTEBRAL_MEASUREMENTS
from operators.segmentation.measurements import Displacement, Measured, SegmentMeasurements
from operators.segmentation.segmentation import Segment, Segmentation

# Least share of the bone's volume: smaller pieces have too little surface to be fitted to the other side
MAIN_SHARE = 0.1
PLANE_POINTS = 20000


def measure_segments(segmentation: Segmentation, volume: CtVolume | None = None) -> Segmentation:
    """Returns the segmentation with its measurements; segments without voxels have none.

    `volume` is the CT that it was made from, for measurements of density.
    """
    label_map = segmentation.label_map
    boxes = ndimage.find_objects(label_map.labels)
    found: Found = []
    for segment in segmentation.segments:
        box = boxes[segment.value - 1] if segment.value <= len(boxes) else None
        if box is not None:
            found.append((segment, measure_segment(label_map, segment.value, box)))
    bones = [list(group) for _, group in groupby(found, key=lambda each: each[0].bone)]
    bodies: dict[str, Any] = {}
    measured = [measure_bone(bone, found, segmentation, volume, bodies) for bone in bones]
    named = {segment.value: segment for _, segments in measured for segment in segments}
    return replace(
        segmentation,
        segments=tuple(named.get(segment.value, segment) for segment in segmentation.segments),
        measurements=tuple(row for rows, _ in measured for row in rows),
    )


def measure_segment(label_map: LabelMap, value: int, box: tuple[slice, ...]) -> SegmentMeasurements:
    """Measures one segment on its own."""
    grid = label_map.grid.crop(Box.of(box))
    mask = label_map.labels[box] == value
    mesh = mesh_of(mask, grid)
    area_mm2 = mesh.area_mm2
    one, other = farthest_pair(mesh.vertices_lps)
    diameter_mm = float(np.linalg.norm(one - other))
    return SegmentMeasurements(
        value,
        Measured(int(mask.sum()) * grid.voxel_volume_mm3, area_mm2 * grid.voxel_volume_mm3 ** (1 / 3) / 2),
        Measured(area_mm2),
        Measured(diameter_mm, extent_mm((one - other) / diameter_mm, grid)),
        mesh,
    )


def extent_mm(direction: NDArray[np.float64], grid: Grid) -> float:
    """Returns a voxel's extent along a unit vector (LPS): twice the error of an end known to half a voxel."""
    return float(np.abs(direction @ grid.ijk_to_lps[:3, :3]).sum())


def measure_bone(
    bone: Found, found: Found, segmentation: Segmentation, volume: CtVolume | None, bodies: dict[str, Any]
) -> tuple[Rows, list[Segment]]:
    """Returns the rows of one bone with the measurements of its package, and its segments' names."""
    rows = [row for _, row in bone]
    name = bone[0][0].bone
    label = next((label for label in segmentation.package.labels if label.name == name), None)
    structure = None if label is None else label.structure
    package = segmentation.package.maker_of(name)
    measured = MeasuredBone(bone, found, segmentation.label_map, structure, package, volume, bodies)
    for row in package.measurements:
        rows = MEASUREMENTS[row](measured, rows)
    return rows, NAMES[package.names](measured, rows)


def add_gaps(bone: MeasuredBone, rows: Rows) -> Rows:
    """Adds the gap between each fragment's fracture faces and those of its neighbours."""
    pairs = zip(rows, bone.faces, strict=True)
    return [replace(row, gap=gap_of(row.mesh, own, bone.label_map.grid)) for row, own in pairs]


def add_displacements(bone: MeasuredBone, rows: Rows) -> Rows:
    """Adds the displacement of main fragments against the largest."""
    if len(rows) < 2:
        return rows
    moved = measure_displacements(bone)
    return [replace(row, displacement=moved.get(row.value)) for row in rows]


def measure_displacements(bone: MeasuredBone) -> dict[int, Displacement]:
    """Returns displacements by value, of main fragments but the largest; {} if the other side is broken."""
    intact = other_side(bone.fragments[0][0], bone.all_segments)
    whole_mm3 = sum(row.volume_mm3.value for _, row in bone.fragments)
    pairs = zip(bone.fragments, bone.faces, strict=True)
    outer = {row.value: row.mesh.vertices_lps[~own.is_face].astype(np.float64) for (_, row), own in pairs}
    rows = sorted((row for _, row in bone.fragments), key=lambda row: -row.volume_mm3.value)
    main = [row for row in rows if row.volume_mm3.value >= MAIN_SHARE * whole_mm3]
    if intact is None or len(main) < 2 or not all(len(outer[row.value]) for row in main):
        return {}
    template = mirror_points(intact.mesh.vertices_lps.astype(np.float64), *plane_of(bone.label_map))
    moved = {
        row.value: measure_displacement(outer[main[0].value], outer[row.value], template) for row in main[1:]
    }
    return {value: each for value, each in moved.items() if each is not None}


# The measurements that a package may request besides the size; each fills one field of SegmentMeasurements
MEASUREMENTS: dict[str, Callable[[MeasuredBone, Rows], Rows]] = {
    "gap": add_gaps,
    "displacement": add_displacements,
    "place": add_places,
    **LONG_BONE_MEASUREMENTS,
    **VERTEBRAL_MEASUREMENTS,
}


def other_side(segment: Segment, found: Found) -> SegmentMeasurements | None:
    """Returns the intact bone of the same kind on the other side; None if there is none."""
    for other, row in found:
        paired = other.laterality is not None and segment.laterality is not None
        if paired and other.region == segment.region and other.laterality != segment.laterality:
            return row if other.fragment is None else None
    return None


def plane_of(label_map: LabelMap) -> tuple[NDArray[np.float64], float]:
    """Returns the normal and the offset in mm of the plane that best mirrors the labelled voxels."""
    share = np.count_nonzero(label_map.labels) / PLANE_POINTS
    step = max(int(share ** (1 / 3)), 1)
    some = np.argwhere(label_map.labels[::step, ::step, ::step]) * step
    affine = label_map.grid.ijk_to_lps
    return mirror_plane(some @ affine[:3, :3].T + affine[:3, 3])
