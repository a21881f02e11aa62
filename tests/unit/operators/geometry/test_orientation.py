"""Arrays reoriented to a network's directions and back: every voxel stays at its place."""

from __future__ import annotations

import numpy as np
import pytest

from operators.geometry.orientation import DIRECTIONS, is_orientation, turn_to
from operators.geometry.volume import Grid
from tests.support.dicom.phantoms import all_orientations, oblique_affine
from tests.support.packages.synthetic_packages import positions

SHAPE = (3, 4, 5)


@pytest.mark.parametrize("orientation", ["LPS", "RAS", "LAI"])
@pytest.mark.parametrize("number", range(48))
def test_the_turned_array_runs_to_the_directions_that_were_asked_for(number: int, orientation: str) -> None:
    grid = Grid(SHAPE, all_orientations()[number])
    lps = positions(SHAPE, grid.ijk_to_lps)
    turn = turn_to(grid, orientation)
    for place, letter in enumerate(reversed(orientation)):
        axis, sign = DIRECTIONS[letter]
        steps = np.diff(turn.apply(np.ascontiguousarray(lps[..., axis])), axis=place)
        assert (steps * sign > 0).all()


@pytest.mark.parametrize("number", range(48))
def test_a_turned_array_comes_back_as_it_was(number: int) -> None:
    grid = Grid(SHAPE, all_orientations()[number])
    array = np.arange(60).reshape(SHAPE)
    turn = turn_to(grid, "RAS", (2, 0, 1))
    np.testing.assert_array_equal(turn.undo(turn.apply(array)), array)
    assert turn.apply(array).shape == turn.reorder(SHAPE)


def test_oblique_axes_go_to_the_nearest_direction() -> None:
    grid = Grid(SHAPE, oblique_affine())
    turn = turn_to(grid, "LPS")
    assert sorted(turn.axes) == [0, 1, 2]


@pytest.mark.parametrize(
    ("letters", "right"),
    [("LPS", True), ("RAI", True), ("LRS", False), ("LPSS", False), ("", False), ("LPX", False)],
)
def test_three_different_directions_are_an_orientation(letters: str, right: bool) -> None:
    assert is_orientation(letters) is right
