"""The region in which a fracture of a long bone of simple solids lies."""

from __future__ import annotations

import numpy as np
import pytest

from operators.segmentation.measurements import FractureRegion, NotMeasurable
from tests.support.bones.synthetic_long_bones import (
    RADIUS_MM,
    broken,
    draw,
    long_bone,
    neck_top,
)
from tests.unit.operators.measure.test_long_bones import measured


@pytest.mark.parametrize(
    ("along_neck", "height_mm", "code"),
    [(0.2, None, "1C"), (1.05, None, "1B"), (None, -15.0, "1A"), (None, -90.0, "2"), (None, -165.0, "3")],
)
def test_a_fracture_lies_in_its_region(along_neck: float | None, height_mm: float | None, code: str) -> None:
    head, up = neck_top(130.0), np.array([0.0, 0.0, 1.0])
    axis = head / np.linalg.norm(head) if height_mm is None else up
    at = head - (along_neck or 0.0) * RADIUS_MM * axis if height_mm is None else height_mm * up
    upper, lower = broken(long_bone(130.0), at, axis)
    found = measured(draw({11: lower, 12: upper}))
    assert isinstance(found.region, FractureRegion), found.region
    assert found.region.code == code
    assert found.length_mm == NotMeasurable("the bone is broken")
