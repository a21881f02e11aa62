"""Loss of height and curves of rows of made bodies whose measures are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from operators.segmentation.measurements import (
    HeightLoss,
)
from operators.segmentation.summary import summary
from tests.support.bones.synthetic_bodies import (
    EVEN,
    HEIGHT_MM,
    Heights,
    body_and_arch,
    placed,
    row_of_bodies,
)
from tests.unit.operators.measure.vertebral.test_bodies import measured, segmentation_of

ZERO = np.zeros(3)


@pytest.mark.parametrize(
    ("heights", "grade", "form"),
    [
        (EVEN, 0, ""),
        ((20.0, 23.0, 26.0), 1, "wedge"),
        ((26.0, 17.5, 26.0), 2, "biconcave"),
        ((14.0, 14.0, 14.0), 3, "crush"),
    ],
)
def test_loss_of_height_is_graded_against_the_neighbours(heights: Heights, grade: int, form: str) -> None:
    solids = [body_and_arch(), body_and_arch(), body_and_arch(heights), body_and_arch(), body_and_arch()]
    made = segmentation_of(row_of_bodies(solids))
    bodies = [row.vertebral_body for row in made.measurements]
    loss = bodies[2].loss if bodies[2] else None
    assert isinstance(loss, HeightLoss)
    assert loss.share == pytest.approx(1 - min(heights) / HEIGHT_MM, abs=0.05)
    assert (loss.grade, loss.form, loss.neighbours) == (grade, form, (2, 4))
    flags = [flag for flag in made.flags if flag.code == "height_lost"]
    assert [flag.values for flag in flags] == ([(3,)] if grade else [])
    said = summary(made)[2]
    assert ("no fragment found" in said) == (grade >= 2)
    assert ("uncertain" in said) == (grade == 1)


def test_a_deformed_neighbour_is_passed_over() -> None:
    wedge = body_and_arch((15.0, 20.0, 26.0))
    bodies = measured(row_of_bodies([body_and_arch(), wedge, wedge, body_and_arch()]))
    for number, neighbours in ((1, (1, 4)), (2, (1, 4))):
        loss = bodies[number].loss
        assert isinstance(loss, HeightLoss)
        assert sorted(loss.neighbours) == list(neighbours)
        assert loss.share == pytest.approx(1 - 15 / HEIGHT_MM, abs=0.07)


@pytest.mark.parametrize("angle_deg", [0.0, 12.0, 30.0])
def test_the_cobb_angle_is_that_of_the_end_bones(angle_deg: float) -> None:
    tilts = np.array([0.5, 0.2, 0.0, -0.2, -0.5]) * angle_deg
    turns = [Rotation.from_euler("y", tilt, degrees=True) for tilt in tilts]
    bodies = measured(row_of_bodies([placed(body_and_arch(), ZERO, turn) for turn in turns]))
    (curve,) = [body.curve for body in bodies if body.curve is not None]
    assert curve.angle_deg.value == pytest.approx(angle_deg, abs=2.5)
    if angle_deg:
        assert bodies[0].curve is curve
        assert curve.lower == 5
