"""The preview shows the patient in radiological convention."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.geometry.patient_view import patient_box
from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.packages.structures import Code
from operators.render.preview import GAP, TITLE, draw_preview
from operators.render.surface_view import draw_front_and_back
from operators.segmentation.segmentation import Segment

RED, BLUE, GREEN = (230, 40, 40), (40, 60, 230), (40, 200, 60)
LONGEST = 80
NO_CODE = Code("0", "X", "none")
ORIENTATIONS = [
    np.eye(3)[:, list(order)] * signs
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
]


def segment(
    value: int, rgb: tuple[int, int, int], fragment: int | None = None, volume_ml: float = 9.0
) -> Segment:
    return Segment(
        value=value,
        bone="b",
        label=f"Bone {value}",
        fragment=fragment,
        category=NO_CODE,
        type=NO_CODE,
        region=NO_CODE,
        laterality=None,
        rgb=rgb,
        volume_ml=volume_ml,
        network_mean=1.0,
    )


def bones(axes: NDArray[np.float64], shape: tuple[int, int, int] = (50, 50, 50)) -> LabelMap:
    """In the patient: 1 is left and superior, 2 right and inferior, 3 anterior of the middle."""
    affine = np.eye(4)
    affine[:3, :3] = axes
    affine[:3, 3] = -(axes @ np.array(shape)) / 2
    grid = Grid(shape, affine)
    x, y, z = axes @ np.indices(shape).reshape(3, -1) + affine[:3, 3:]
    labels = np.zeros(x.shape, np.uint8)
    labels[(abs(x - 25) < 12) & (abs(y) < 20) & (abs(z - 20) < 15)] = 1
    labels[(abs(x + 25) < 12) & (abs(y) < 20) & (abs(z + 20) < 15)] = 2
    labels[(abs(x) < 6) & (abs(y + 15) < 6) & (abs(z) < 6)] = 3
    return LabelMap(labels.reshape(shape), grid)


def picture_of(label_map: LabelMap, *segments: Segment) -> NDArray[np.uint8]:
    volume = CtVolume(np.where(label_map.labels > 0, 500, -50).astype(np.int16), label_map.grid)
    return draw_preview(volume, label_map, segments, LONGEST)


def middle(picture: NDArray[np.uint8], rgb: tuple[int, int, int]) -> tuple[float, float]:
    """Mean row and column of the pixels that have this hue more than any other."""
    strong = np.array(rgb).argmax()
    others = np.delete(picture.astype(int), strong, axis=-1).max(axis=-1)
    rows, columns = np.nonzero(picture[..., strong].astype(int) - others > 40)
    return float(rows.mean()), float(columns.mean())


def coronal_panel(picture: NDArray[np.uint8], label_map: LabelMap) -> NDArray[np.uint8]:
    x, _, z = patient_box(label_map, LONGEST).shape
    left = GAP + x + GAP
    return picture[GAP + TITLE : GAP + TITLE + z, left : left + x]


@pytest.mark.parametrize("axes", ORIENTATIONS)
def test_the_patients_left_is_at_the_right_and_superior_is_up(axes: NDArray[np.float64]) -> None:
    label_map = bones(axes * 2.0)
    panel = coronal_panel(picture_of(label_map, segment(1, RED), segment(2, BLUE)), label_map)
    red_row, red_column = middle(panel, RED)
    blue_row, blue_column = middle(panel, BLUE)
    assert red_column > blue_column + 20
    assert red_row < blue_row - 20


def test_lengths_are_true_on_a_sheared_grid_of_long_voxels() -> None:
    axes = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.8], [0.0, 0.0, 3.0]])
    label_map = bones(axes, (110, 110, 40))
    box = patient_box(label_map, 100)
    seen = box.sample(label_map.labels, label_map.grid, order=0, outside=0)
    volume_mm3 = (seen == 1).sum() * box.step_mm**3
    assert volume_mm3 == pytest.approx((label_map.labels == 1).sum() * 3.0, rel=0.05)
    corner = np.argwhere(seen == 1).min(axis=0)
    assert box.position_mm(tuple(corner.tolist())) == pytest.approx((13, -20, 5), abs=3.0)


def test_the_cuts_go_through_the_smallest_fragment() -> None:
    label_map = bones(np.eye(3) * 2.0)
    segments = (segment(1, RED, 1, 90.0), segment(2, BLUE, 2, 80.0), segment(3, GREEN, 3, 2.0))
    panel = coronal_panel(picture_of(label_map, *segments), label_map)
    row, column = middle(panel, GREEN)
    assert row == pytest.approx(panel.shape[0] / 2, abs=20)
    assert column == pytest.approx(panel.shape[1] / 2, abs=20)


def test_the_front_view_shows_what_lies_in_front_and_the_back_view_is_mirrored() -> None:
    labels = np.zeros((40, 30, 40), np.uint8)
    labels[5:35, 15:20, 5:35] = 1
    labels[22:32, 5:10, 22:32] = 2
    colours = np.array([(0, 0, 0), RED, BLUE], np.uint8)
    front, back = draw_front_and_back(labels, colours, (0, 0, 0))
    row, column = middle(front, BLUE)
    assert row < 20 < column
    assert back[..., 2].max() < back[..., 0].max() / 2


def test_an_empty_label_map_still_gives_a_picture() -> None:
    empty = bones(np.eye(3) * 2.0)
    picture = picture_of(LabelMap(np.zeros(empty.grid.shape, np.uint8), empty.grid))
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


def test_a_single_slice_and_a_single_voxel_can_be_shown() -> None:
    labels = np.zeros((20, 20, 1), np.uint8)
    labels[10, 10, 0] = 7
    picture = picture_of(LabelMap(labels, Grid(labels.shape, np.diag([1.0, 1.0, 5.0, 1.0]))), segment(7, RED))
    assert middle(picture, RED)
