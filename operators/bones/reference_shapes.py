"""Mean shapes of bones, with which a patient's bone is compared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.geometry.meshes import Mesh
from operators.geometry.surface_fit import Target
from operators.geometry.surface_points import surface_points
from operators.packages.structures import Side

Points = NDArray[np.float64]

MIRROR = np.array([-1.0, 1.0, 1.0])
# The side under which a bone is kept that has none
UNPAIRED: Side = "left"


@dataclass(frozen=True, eq=False)
class ReferenceShape:
    """A mean bone of one side in a frame of its own, in mm.

    A long bone's length runs along z, the head's end is up; other bones lie as in the body (LPS). `vertices`
    (N, 3) and `faces` (M, 3) are its surface; `head` is centre and radius of the head's sphere.
    """

    side: Side
    vertices: Points
    faces: NDArray[np.int32]
    head: tuple[Points, float] | None

    @cached_property
    def target(self) -> Target:
        """Its surface, to fit others to."""
        return Target(surface_points(Mesh(self.vertices.astype(np.float32), self.faces)))

    def mirrored(self) -> ReferenceShape:
        """Returns the mean bone of the other side."""
        head = None if self.head is None else (self.head[0] * MIRROR, self.head[1])
        side: Side = "right" if self.side == "left" else "left"
        return ReferenceShape(side, self.vertices * MIRROR, self.faces[:, ::-1].copy(), head)


@cache
def read_shape(path: Path) -> Mapping[Side, ReferenceShape]:
    """Returns the mean bones of both sides from a file in models/shapes."""
    table = json.loads(path.read_text(encoding="utf-8"))
    head = table["head"]
    return both_sides(
        ReferenceShape(
            table.get("side", UNPAIRED),
            np.array(table["vertices_mm"], np.float64).reshape(-1, 3),
            np.array(table["faces"], np.int32).reshape(-1, 3),
            None if head is None else (np.array(head["centre_mm"]), float(head["radius_mm"])),
        )
    )


def both_sides(shape: ReferenceShape) -> Mapping[Side, ReferenceShape]:
    """Returns a mean bone and its mirror image by their sides."""
    other = shape.mirrored()
    return {shape.side: shape, other.side: other}
