"""Rows of bones are bent and changed as asked, on a made label map of blocks in a row."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from training.row_tables import ChangesTable
from training.subjects.rows.bones import BonesInRow
from training.subjects.rows.changes import burst, fuse
from training.subjects.rows.course import course_of, course_through, turned
from training.subjects.rows.deformed import deformed
from training.subjects.rows.placing import compressed, sampled

SPACING_MM, STEP = 2.0, 16
PLAIN = ChangesTable(
    sideways_deg=0.0, forward_deg=0.0, compressed=0, burst=0, slipped=0, fused=0, missing=0, extra=0, spurs=0
)


def made_row(count: int = 5) -> BonesInRow:
    """Blocks of 12 voxels, 16 from the next, from the top down, with a thin tail behind each."""
    structures = np.zeros((60, 70, count * STEP + 60), np.uint8)
    for n in range(count):
        top = structures.shape[2] - 32 - n * STEP
        structures[22:38, 24:40, top - 12 : top] = n + 1
        structures[28:32, 40:50, top - 8 : top - 4] = n + 1
    values = tuple(range(1, count + 1))
    names = {value: f"level_{value}" for value in values}
    return BonesInRow(structures, names, values, course_of(structures, values, SPACING_MM), SPACING_MM)


def test_places_along_a_course_lead_back_to_where_they_were() -> None:
    centres = np.array([[60.0, 70 + 8 * np.sin(n / 2), 200 - 30 * n] for n in range(6)])
    course = course_through(centres)
    points = np.random.default_rng(1).uniform([-30, -30, 60], [30, 30, 190], (200, 3)).T.astype(np.float32)
    points[:2] += 65
    assert course.lps(course.place(points)) == pytest.approx(points, abs=0.3)


def test_a_row_that_is_not_changed_stays_as_it_is() -> None:
    bones = made_row()
    same = turned(bones.course, np.broadcast_to(np.eye(3), (len(bones.course.points), 3, 3)))
    at = np.stack(np.meshgrid(*(np.arange(n) * SPACING_MM for n in bones.structures.shape), indexing="ij"))
    found = sampled(bones, same.place(at.astype(np.float32)))
    assert (found == bones.structures).mean() > 0.999


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, [1, 2, 3, 4, 5]),
        ({"missing": 1.0, "missing_levels": ("level_3",)}, [1, 2, 4, 5]),
        ({"extra": 1.0, "extra_levels": {"level_3": "other"}}, [1, 2, 3, "other", 4, 5]),
    ],
)
def test_bones_are_missing_or_there_twice(changes: dict[str, object], named: list[object]) -> None:
    made = deformed(np.random.default_rng(3), made_row(), PLAIN.model_copy(update=changes))
    assert [made.names[value] for value in made.values] == [
        name if isinstance(name, str) else f"level_{name}" for name in named
    ]
    heights = [np.argwhere(made.structures == value)[:, 2].mean() for value in made.values]
    assert -np.diff(heights) == pytest.approx(np.full(len(named) - 1, STEP), abs=1.5)


def test_a_bent_row_keeps_its_bones_in_order_and_in_size() -> None:
    rules = PLAIN.model_copy(update={"sideways_deg": 25.0, "forward_deg": 20.0})
    bones = made_row()
    sizes = np.bincount(bones.structures.ravel())[1:]
    for seed in range(3):
        made = deformed(np.random.default_rng(seed), bones, rules)
        assert made.values == bones.values
        assert np.bincount(made.structures.ravel())[1:] == pytest.approx(sizes, rel=0.3)


def test_a_compressed_bone_is_lower_and_its_neighbours_are_not() -> None:
    bones = made_row()
    at = np.stack(np.meshgrid(*(np.arange(n) * SPACING_MM for n in bones.structures.shape), indexing="ij"))
    placed = bones.course.place(at.astype(np.float32))
    rng = np.random.default_rng(5)
    found = sampled(bones, compressed(rng, bones, placed, 2, 0.5))
    heights = [int(np.ptp(np.argwhere(found[28:32, 26:36] == value)[:, 2])) + 1 for value in bones.values]
    assert heights[2] <= 9
    assert heights[:2] + heights[3:] == [12] * 4


def test_fused_bones_touch_and_burst_bones_have_gaps() -> None:
    bones = made_row()
    fuse(bones, 1)
    _, pieces = ndimage.label(np.isin(bones.structures, [2, 3]))
    assert pieces == 1
    burst(np.random.default_rng(2), bones, 4)
    assert np.count_nonzero(bones.structures[22:38, 24:40] == 5) < 16 * 16 * 12
