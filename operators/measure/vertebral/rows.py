"""Rows of MEASUREMENTS for bones with a body: they put a VertebralBody on the bone's first segment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from operators.measure.measured_bone import MeasuredBone, Rows
from operators.measure.vertebral.heights import BodyShape, body_shape, trabecular_hu
from operators.measure.vertebral.row_of_bodies import PlacedBody, cobb_angle, height_loss
from operators.segmentation.measurements import (
    BodyHeights,
    CobbAngle,
    HeightLoss,
    Measured,
    NotMeasurable,
    VertebralBody,
)

CUT = NotMeasurable("the bone is cut off by the edge of the scan")
NO_BODY = NotMeasurable("its body cannot be told from its arch")
NO_HU = NotMeasurable("too little of the inside of its body is in view")


def heights_of(bone: MeasuredBone) -> BodyHeights | NotMeasurable:
    """Returns the heights of the bone's body in front, in the middle and at the back."""
    shape = shape_of(bone, bone.name)
    if isinstance(shape, NotMeasurable):
        return shape
    error_mm = float(np.abs(shape.axes.up @ bone.label_map.grid.ijk_to_lps[:3, :3]).sum()) / 2
    return BodyHeights(**{name: Measured(height, error_mm) for name, height in shape.heights_mm.items()})


def loss_of(bone: MeasuredBone) -> HeightLoss | NotMeasurable:
    """Returns the loss of height of the bone's body against its neighbours."""
    shape = shape_of(bone, bone.name)
    if isinstance(shape, NotMeasurable):
        return shape
    row = row_of(bone)
    return height_loss(list(row.values()), list(row).index(bone.name))


def density_of(bone: MeasuredBone) -> Measured | NotMeasurable:
    """Returns the median HU of the trabecular bone in the bone's body, not corrected for contrast medium."""
    shape = shape_of(bone, bone.name)
    if isinstance(shape, NotMeasurable):
        return shape
    if bone.volume is None:
        return NO_HU
    hu = trabecular_hu(shape, bone.mask, bone.label_map.grid.crop(bone.box), bone.volume)
    return NO_HU if hu is None else Measured(hu)


def curve_of(bone: MeasuredBone) -> CobbAngle | None:
    """Returns the Cobb angle of the row, on the bone at its upper end only."""
    found = cobb_angle(list(row_of(bone).values()))
    return found[1] if found is not None and found[0] == bone.fragments[0][0].value else None


def row_of(bone: MeasuredBone) -> dict[str, PlacedBody | None]:
    """Returns the bodies of all bones of the scan that have one, from the top down; None if unmeasurable."""
    row: dict[str, PlacedBody | None] = {}
    for segment, _ in bone.all_segments:
        if segment.bone not in row and bone.has_body(segment.bone):
            shape = shape_of(bone, segment.bone)
            row[segment.bone] = PlacedBody(segment.value, shape) if isinstance(shape, BodyShape) else None
    return row


def shape_of(bone: MeasuredBone, name: str) -> BodyShape | NotMeasurable:
    """Returns the shape of the body of a bone of the scan, which is found once."""
    if name not in bone.bodies:
        bone.bodies[name] = found_shape(bone.sibling(name))
    found: BodyShape | NotMeasurable = bone.bodies[name]
    return found


def found_shape(bone: MeasuredBone) -> BodyShape | NotMeasurable:
    """Returns the shape of the body of a bone, or why there is none."""
    if bone.is_cut or any(segment.evidence and segment.evidence.is_partial for segment, _ in bone.fragments):
        return CUT
    return body_shape(bone.mask, bone.label_map.grid.crop(bone.box)) or NO_BODY


def add(field: str, measure: Callable[[MeasuredBone], Any], bone: MeasuredBone, rows: Rows) -> Rows:
    """Adds what is measured of a body to the bone's first row; leaves bones without one unchanged."""
    if not bone.has_body(bone.name):
        return rows
    known = rows[0].vertebral_body or VertebralBody()
    return [replace(rows[0], vertebral_body=replace(known, **{field: measure(bone)})), *rows[1:]]


VERTEBRAL_MEASUREMENTS: dict[str, Callable[[MeasuredBone, Rows], Rows]] = {
    "body_heights": partial(add, "heights_mm", heights_of),
    "height_loss": partial(add, "loss", loss_of),
    "trabecular_density": partial(add, "trabecular_hu", density_of),
    "cobb_angle": partial(add, "curve", curve_of),
}
