"""Views from all sides: each shows closed surfaces as seen from there, in the segments' colours."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from scipy import ndimage

from operators.measure.measuring import measure_segments
from operators.render.turntable import BACKGROUND, SIDE, VIEWS, View, draw_turntable, letters, right_of
from operators.segmentation.segmentation import Segment, Segmentation
from tests.support.bones.synthetic_shapes import box, drawn, grid_around
from tests.support.dicom.seg_cases import bone, package

RED, GREEN, BLUE = (230, 40, 40), (40, 200, 60), (60, 80, 230)
# Red to the left, green in front and below, blue behind and above
SOLIDS = {
    11: box((20, -8, -8), (36, 8, 8)),
    12: box((-8, -36, -30), (8, -20, -14)),
    13: box((-8, 20, 14), (8, 36, 30)),
}


def fragments() -> tuple[Segment, ...]:
    colours = (RED, GREEN, BLUE)
    return tuple(replace(bone(11 + n, fragment=n + 1), rgb=colour) for n, colour in enumerate(colours))


@cache
def views(*segments: Segment) -> tuple[View, ...]:
    label_map = drawn(grid_around((90, 90, 80), (1.0, 1.0, 1.0)), SOLIDS)
    return draw_turntable(measure_segments(Segmentation(label_map, segments or fragments(), package())))


def of_hue(view: View, rgb: tuple[int, int, int]) -> np.ndarray:
    """Rows and columns (N, 2) of the pixels above the legend in which this colour is the strongest."""
    picture = view.rgb[:SIDE].astype(int)
    strong = int(np.argmax(rgb))
    others = np.delete(picture, strong, axis=-1).max(axis=-1)
    return np.argwhere(picture[..., strong] - others > 30)


def test_there_is_a_view_every_thirty_degrees_all_of_one_size() -> None:
    seen = views()
    assert [view.degrees for view in seen] == list(range(0, 360, 30))
    assert len(seen) == VIEWS == 12
    assert len({view.rgb.shape for view in seen}) == 1
    assert seen[0].rgb.shape[1:] == (SIDE, 3)


def test_each_view_shows_the_patient_as_one_sees_him_from_there() -> None:
    seen = {view.degrees: view for view in views()}
    middle = SIDE / 2
    assert of_hue(seen[0], RED)[:, 1].mean() > middle + 50
    assert of_hue(seen[180], RED)[:, 1].mean() < middle - 50
    # From the left: his front is at the left of the picture, his back at the right
    assert of_hue(seen[90], GREEN)[:, 1].mean() < middle - 50
    assert of_hue(seen[90], BLUE)[:, 1].mean() > middle + 50
    for view in seen.values():
        assert of_hue(view, GREEN)[:, 0].mean() > of_hue(view, BLUE)[:, 0].mean()


def test_the_nearer_hides_the_farther() -> None:
    wall = {11: box((-20, -30, -20), (20, -26, 20)), 12: box((-10, 0, -10), (10, 20, 10))}
    label_map = drawn(grid_around((90, 90, 80), (1.0, 1.0, 1.0)), wall)
    (
        front,
        *_,
    ) = draw_turntable(measure_segments(Segmentation(label_map, fragments()[:2], package())))
    assert len(of_hue(front, RED)) > 1000
    assert len(of_hue(front, GREEN)) == 0


@pytest.mark.parametrize("spacing_mm", [(0.8, 0.8, 0.8), (0.8, 0.8, 5.0)])
def test_nothing_is_seen_through_a_surface(spacing_mm: tuple[float, float, float]) -> None:
    label_map = drawn(grid_around((50, 50, 60), spacing_mm), {11: box((-12, -15, -20), (12, 15, 20))})
    for view in draw_turntable(measure_segments(Segmentation(label_map, fragments()[:1], package()))):
        # Between the letters at both sides
        seen = (view.rgb[:SIDE] != BACKGROUND).any(axis=2)[:, 30:-30]
        np.testing.assert_array_equal(ndimage.binary_fill_holes(seen), seen)


def test_no_part_leaves_the_picture_as_it_turns() -> None:
    for view in views():
        picture = view.rgb[:SIDE]
        edges = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert (edges == BACKGROUND).all()


@pytest.mark.parametrize(
    ("degrees", "said"), [(0, "L"), (30, "LP"), (60, "PL"), (90, "P"), (180, "R"), (270, "A"), (300, "AL")]
)
def test_the_right_of_a_view_is_named_by_where_it_lies_in_the_patient(degrees: int, said: str) -> None:
    assert letters(right_of(degrees)) == said


def test_intact_bones_and_what_was_not_measured_have_no_views() -> None:
    assert views(bone(11), bone(12)) == ()
    label_map = drawn(grid_around((90, 90, 80), (1.0, 1.0, 1.0)), SOLIDS)
    assert draw_turntable(Segmentation(label_map, fragments(), package())) == ()


def test_a_single_voxel_can_be_shown() -> None:
    labels = drawn(grid_around((5, 5, 5), (1.0, 1.0, 1.0)), {11: box((-0.4,) * 3, (0.4,) * 3)})
    first, *_ = draw_turntable(measure_segments(Segmentation(labels, fragments()[:1], package())))
    assert len(of_hue(first, RED)) >= 1
