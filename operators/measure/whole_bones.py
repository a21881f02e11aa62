"""The measured bones of a segmentation, each with all of its fragments."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.geometry.meshes import farthest_pair
from operators.geometry.volume import Box
from operators.packages.packages import Label
from operators.segmentation.measurements import SegmentMeasurements
from operators.segmentation.segmentation import Segment, Segmentation
from operators.segmentation.summary import bone_name

# One vertex in this many represents a surface: vertices lie a voxel apart
STEP = 8


@dataclass(frozen=True, eq=False)
class WholeBone:
    """A bone with all its fragments: its label in the package, its measurements and its block of the scan."""

    label: Label | None
    segments: tuple[Segment, ...]
    rows: tuple[SegmentMeasurements, ...]
    box: Box

    @property
    def name(self) -> str:
        """The bone's name in the summary."""
        return bone_name(self.segments[0])

    @property
    def values(self) -> tuple[int, ...]:
        """The values of its segments."""
        return tuple(segment.value for segment in self.segments)

    @property
    def volume_ml(self) -> float:
        """The volume of all its fragments."""
        return sum(row.volume_mm3.value for row in self.rows) / 1000

    @property
    def diameter_mm(self) -> float:
        """The distance of its two farthest points, with fragments where they lie."""
        one, other = farthest_pair(self.points_lps)
        return float(np.linalg.norm(one - other))

    @property
    def to_left_mm(self) -> float:
        """The mean position of its surface along the axis to the patient's left."""
        return float(self.points_lps[:, 0].mean())

    @property
    def points_lps(self) -> NDArray[np.float32]:
        """Points (N, 3) of its surface, LPS in mm."""
        return np.concatenate([row.mesh.vertices_lps[::STEP] for row in self.rows])


def whole_bones(segmentation: Segmentation) -> list[WholeBone]:
    """Returns the bones that were measured."""
    labels = {label.name: label for label in segmentation.package.labels}
    rows = {row.value: row for row in segmentation.measurements}
    boxes = ndimage.find_objects(segmentation.label_map.labels)
    found = []
    for name, group in groupby(segmentation.segments, key=lambda segment: segment.bone):
        segments = tuple(segment for segment in group if segment.value in rows)
        if segments:
            box = Box.around_all(Box.of(boxes[segment.value - 1]) for segment in segments)
            own = tuple(rows[segment.value] for segment in segments)
            found.append(WholeBone(labels.get(name), segments, own, box))
    return found
