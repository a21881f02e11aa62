"""Measures head, axes and length of bones from voxels, whole and cut, and from their own surface."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.long_bones.shapes import Shape, voxelised
from operators.geometry.meshes import Mesh, farthest_pair
from operators.geometry.volume import Box, LabelMap
from operators.measure.long_bones import bone_length, head_sphere, neck_shaft_angle
from operators.measure.measured_bone import MeasuredBone
from operators.measure.measuring import measure_segment
from operators.packages.structures import ANATOMY, Code, Structure
from operators.segmentation.measurements import HeadSphere, Measured, NotMeasurable
from operators.segmentation.segmentation import Segment

Points = NDArray[np.float64]

SPACING_MM, KEPT_SHARE = 1.5, 0.6
BONE = Code("272673000", "SCT", "Bone")
SEGMENT = Segment(1, "bone", "Bone", None, ANATOMY, BONE, BONE, None, (0, 0, 0), 0.0, 1.0)


@dataclass(frozen=True)
class Axes:
    """What was measured of one bone in one view."""

    name: str
    view: str
    head: HeadSphere | NotMeasurable
    angle_deg: Measured | NotMeasurable
    length_mm: Measured | NotMeasurable


def measure_axes(shapes: Iterable[Shape], structure: Structure) -> Iterator[Axes]:
    """Yields the measurements of bones: of their own surface, of voxels, and of voxels of a cut scan."""
    for shape in shapes:
        label_map = voxelised(shape.mesh, SPACING_MM)
        own = axes_of(shape.name, "surface", label_map, structure, shape.mesh)
        yield own
        yield axes_of(shape.name, "voxels", label_map, structure)
        if shape.whole and isinstance(own.head, HeadSphere):
            yield axes_of(shape.name, "cut", cut(label_map, np.array(own.head.centre_lps)), structure)


def axes_of(
    name: str, view: str, label_map: LabelMap, structure: Structure, surface: Mesh | None = None
) -> Axes:
    """Returns the measurements of a bone of label 1; of its own surface if that is given."""
    box = Box.around(label_map.labels > 0)
    assert box is not None
    row = measure_segment(label_map, 1, box.slices)
    if surface is not None:
        one, other = farthest_pair(surface.vertices_lps)
        row = replace(row, mesh=surface, diameter_mm=Measured(float(np.linalg.norm(one - other))))
    bone = MeasuredBone([(SEGMENT, row)], [(SEGMENT, row)], label_map, structure)
    return Axes(name, view, head_sphere(bone), neck_shaft_angle(bone), bone_length(bone))


def cut(label_map: LabelMap, head_lps: Points) -> LabelMap:
    """Returns the 60 % of a bone towards its head, as a scan that ends there shows it."""
    box = Box.around(label_map.labels > 0)
    assert box is not None
    axis = int(np.argmax(box.shape))
    head = (label_map.grid.lps_to_ijk @ [*head_lps, 1.0])[axis]
    start, stop = box.start[axis], box.stop[axis]
    kept = round(KEPT_SHARE * (stop - start))
    low, high = [0, 0, 0], list(label_map.grid.shape)
    if head - start > stop - head:
        low[axis] = stop - kept
    else:
        high[axis] = start + kept
    seen = Box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
    return LabelMap(label_map.labels[seen.slices], label_map.grid.crop(seen))
