"""A bone as it is measured: its fragments, and its surface without fractures and cut faces."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.long_bones import Line, shaft_of
from operators.bones.neck_axes import NECK_AXES
from operators.geometry.meshes import Mesh
from operators.geometry.spheres import Sphere, find_sphere
from operators.geometry.surface_points import SurfacePoints, surface_points
from operators.geometry.volume import Box, CtVolume, LabelMap
from operators.measure.fracture_faces import FractureFaces, fracture_faces
from operators.measure.levels.naming_a_row import name_row
from operators.measure.scan_border import BORDER_MM, CUT_MM2, area_on_border_mm2
from operators.packages.levels import LevelEvidence
from operators.packages.long_bones import LongBoneRules
from operators.packages.packages import ModelPackage
from operators.packages.structures import Structure
from operators.segmentation.measurements import SegmentMeasurements
from operators.segmentation.segmentation import Segment

Rows = list[SegmentMeasurements]
Found = list[tuple[Segment, SegmentMeasurements]]


@dataclass(frozen=True, eq=False)
class MeasuredBone:
    """A bone, intact or in fragments, and every segment of the scan; `structure` is what it is called.

    `package` delivers it. `volume` is the CT that it was outlined in; `bodies` are those of the scan's bones
    that were measured so far, by the bones' names.
    """

    fragments: Found
    all_segments: Found
    label_map: LabelMap
    structure: Structure | None = None
    package: ModelPackage | None = None
    volume: CtVolume | None = None
    bodies: dict[str, Any] = field(default_factory=dict)

    @property
    def rules(self) -> LongBoneRules | None:
        """How it is measured, where it is a long one."""
        return self.structure.long_bone if self.structure else None

    @property
    def name(self) -> str:
        """The bone's name."""
        return self.fragments[0][0].bone

    def has_body(self, name: str) -> bool:
        """Returns whether a bone has a vertebral body, by its likeliest level if it is one of a row."""
        labels, rules = (self.package.labels, self.package.levels) if self.package else ((), None)
        if rules is not None and name in self.row:
            (name, *_) = name_row(tuple(self.row.values()), rules).levels[list(self.row).index(name)]
        return any(label.name == name and label.structure.vertebral_body for label in labels)

    @cached_property
    def row(self) -> dict[str, LevelEvidence]:
        """The evidence on the level of each bone of the row in the scan, from the top down, by its name."""
        return {each.bone: each.evidence for each, _ in self.all_segments if each.evidence is not None}

    def sibling(self, name: str) -> MeasuredBone:
        """Returns another bone of the scan."""
        return replace(self, fragments=[each for each in self.all_segments if each[0].bone == name])

    @cached_property
    def box(self) -> Box:
        """The block of the label map that holds it."""
        boxes = ndimage.find_objects(self.label_map.labels)
        return Box.around_all(Box.of(boxes[segment.value - 1]) for segment, _ in self.fragments)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Its voxels in `box`."""
        values = [segment.value for segment, _ in self.fragments]
        return np.asarray(np.isin(self.label_map.labels[self.box.slices], values), np.bool_)

    @cached_property
    def faces(self) -> list[FractureFaces]:
        """The fracture faces of each fragment."""
        return fracture_faces([row.mesh for _, row in self.fragments], self.label_map.grid)

    @cached_property
    def surface(self) -> SurfacePoints:
        """Points of the bone's own surface, without fracture faces and where the scan cuts it off."""
        pairs = zip(self.fragments, self.faces, strict=True)
        points = surface_points(joined([without(row.mesh, own.is_face) for (_, row), own in pairs]))
        return points.where(~self.on_border(points.points))

    @cached_property
    def head(self) -> Sphere | None:
        """The sphere of its head; None where too little of one is in view."""
        if self.rules is None:
            return None
        sphere = find_sphere(self.surface, self.rules.head_radius_mm)
        return sphere if sphere is not None and sphere.cover >= self.rules.head_cover else None

    @cached_property
    def shaft(self) -> Line | None:
        """The axis of its shaft, towards its head; None where too little of either is in view."""
        if self.rules is None or self.head is None:
            return None
        return shaft_of(self.surface, self.head, self.rules.shaft_squares)

    @cached_property
    def neck(self) -> NDArray[np.float64] | None:
        """The unit vector along its neck to the head; None where head, shaft or neck are not in view."""
        if self.rules is None or self.head is None or self.shaft is None:
            return None
        return NECK_AXES[self.rules.neck](self.surface, self.head, self.shaft)

    @cached_property
    def is_cut(self) -> bool:
        """Whether it extends beyond the scan's border."""
        return area_on_border_mm2(self.mask, self.box, self.label_map.grid) >= CUT_MM2

    @property
    def fracture_lps(self) -> NDArray[np.float64] | None:
        """The middle (3,) of its fracture faces; None without any."""
        pairs = zip(self.fragments, self.faces, strict=True)
        points = np.concatenate([row.mesh.vertices_lps[own.is_face] for (_, row), own in pairs])
        return points.mean(axis=0).astype(np.float64) if len(points) else None

    def on_border(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Returns which points (N, 3) lie where the scan ends."""
        grid = self.label_map.grid
        ijk = grid.to_ijk(points)
        margin = BORDER_MM / np.array(grid.spacing_mm)
        outside = (ijk < margin) | (ijk > np.array(grid.shape) - 1 - margin)
        return np.asarray(outside.any(axis=1), np.bool_)


def without(mesh: Mesh, gone: NDArray[np.bool_]) -> Mesh:
    """Returns the surface without the faces of which every vertex is `gone` (N,)."""
    return Mesh(mesh.vertices_lps, mesh.faces[~gone[mesh.faces].all(axis=1)])


def joined(meshes: list[Mesh]) -> Mesh:
    """Returns several surfaces as one."""
    starts = np.cumsum([0, *(len(mesh.vertices_lps) for mesh in meshes[:-1])])
    faces = [mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)]
    return Mesh(np.concatenate([mesh.vertices_lps for mesh in meshes]), np.concatenate(faces))
