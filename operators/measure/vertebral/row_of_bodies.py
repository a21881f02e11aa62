"""Compares the bodies of a row with each other: the loss of height against neighbours, and the curve."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import atan2, degrees

import numpy as np

from operators.measure.vertebral.heights import BodyShape
from operators.segmentation.measurements import CobbAngle, HeightLoss, Measured, NotMeasurable

# A neighbour whose own heights differ by more is deformed itself: the next but one is compared with instead
LEAST_OWN, REACH = 0.8, 2
# Genant et al., J Bone Miner Res 1993;8:1137: grades 1, 2 and 3 begin at a loss of 20, 25 and 40 %. A loss of
# 25 % is called a fracture: on 590 CTs it had a sensitivity of 0.78 and a specificity of 0.94, one of 20 %
# had 0.92 and 0.53 (Diagnostics 2025;15:1530)
GRADES = ((0.40, 3), (0.25, 2), (0.20, 1))
FORMS = {"anterior": "wedge", "middle": "biconcave", "posterior": "crush"}
NO_NEIGHBOUR = NotMeasurable("no intact neighbour is in view")


@dataclass(frozen=True, eq=False)
class PlacedBody:
    """The body of one bone of a row, and the value of the bone's first segment."""

    value: int
    shape: BodyShape


def height_loss(row: Sequence[PlacedBody | None], number: int) -> HeightLoss | NotMeasurable:
    """Returns the loss of height of one body, which has a shape, against its neighbours in the row.

    It is the greatest of the losses in front, in the middle and at the back, each against the mean of the
    same height of the nearest neighbours above and below that are not deformed themselves.
    """
    near = [body for step in (-1, 1) if (body := neighbour(row, number, step)) is not None]
    own = row[number]
    if own is None or not near:
        return NO_NEIGHBOUR
    losses = {
        name: 1 - height / float(np.mean([each.shape.heights_mm[name] for each in near]))
        for name, height in own.shape.heights_mm.items()
    }
    share = max(losses.values())
    grade = next((grade for least, grade in GRADES if share >= least), 0)
    form = FORMS[max(losses, key=lambda name: losses[name])]
    if losses["posterior"] >= GRADES[-1][0]:
        form = FORMS["posterior"]
    return HeightLoss(max(share, 0.0), grade, form if grade else "", tuple(each.value for each in near))


def neighbour(row: Sequence[PlacedBody | None], number: int, step: int) -> PlacedBody | None:
    """Returns the nearest body in one direction that is in view as a whole and not deformed itself."""
    for far in range(1, REACH + 1):
        at = number + step * far
        body = row[at] if 0 <= at < len(row) else None
        if body is not None and is_even(body.shape):
            return body
    return None


def is_even(shape: BodyShape) -> bool:
    """Returns whether the heights of a body differ by little."""
    heights = list(shape.heights_mm.values())
    return min(heights) >= LEAST_OWN * max(heights)


def cobb_angle(row: Sequence[PlacedBody | None]) -> tuple[int, CobbAngle] | None:
    """Returns the greatest angle between an upper endplate and a lower one below it, seen from the front, and
    the value of the upper one's bone (Cobb 1948); None with fewer than three bodies.
    """
    seen = [body for body in row if body is not None]
    if len(seen) < 3:
        return None
    upper = [tilt_deg(body.shape.axes.top) for body in seen]
    lower = [tilt_deg(body.shape.axes.bottom) for body in seen]
    pairs = [(abs(upper[a] - lower[b]), a, b) for a in range(len(seen)) for b in range(a + 1, len(seen))]
    angle_deg, a, b = max(pairs)
    error_deg = max(error_of(seen[a].shape), error_of(seen[b].shape))
    return seen[a].value, CobbAngle(Measured(angle_deg, error_deg), seen[b].value)


def tilt_deg(normal: np.ndarray) -> float:
    """Returns the tilt of an endplate to the patient's left, seen from the front."""
    return degrees(atan2(float(normal[0]), float(normal[2])))


def error_of(shape: BodyShape) -> float:
    """Returns the error in degrees of two endplates, each known to half a millimetre at its sides."""
    return 2 * degrees(atan2(0.5, shape.axes.half_width_mm))
