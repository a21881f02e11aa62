"""Pictures of fractures: on the slice that shows them best, in the segments' colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from operators.geometry.volume import CtVolume
from operators.render.fracture_pictures import FracturePicture, fracture_pictures
from operators.render.preview import OUTLINE, TINT
from operators.segmentation.segmentation import Segment, Segmentation
from tests.support.dicom.seg_cases import bone, grid, segmentation

SHAPE = (40, 30, 12)
ON = grid(SHAPE)
RED, BLUE = (255, 0, 0), (0, 0, 255)
FIRST, SECOND = replace(bone(11, fragment=1), rgb=RED), replace(bone(12, fragment=2), rgb=BLUE)


def pictures(labels: np.ndarray, *segments: Segment) -> tuple[FracturePicture, ...]:
    made: Segmentation = segmentation(labels, ON, *segments)
    return fracture_pictures(CtVolume(np.full(SHAPE, 450, np.int16), ON), made)


def two_fragments() -> np.ndarray:
    """Side by side on slices 2 to 9, along the longest line on slice 6."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:15, 5:10, 2:10] = 11
    labels[15:25, 5:10, 2:10] = 12
    labels[5:15, 5:25, 6] = 11
    labels[15:25, 5:25, 6] = 12
    return labels


def test_a_fracture_is_shown_where_it_is_longest() -> None:
    (picture,) = pictures(two_fragments(), FIRST, SECOND)
    assert picture.k == 6
    assert picture.title == "Left hip bone, fragment 2, slice 7"


def test_a_gap_of_some_voxels_is_a_fracture_all_the_same() -> None:
    labels = two_fragments()
    labels[14:16] = 0
    (picture,) = pictures(labels, FIRST, SECOND)
    assert picture.k == 6


def test_a_fragment_that_faces_no_other_is_shown_where_it_is_largest() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[2:6, 2:6, 1:4] = 11
    labels[30:34, 20:24, 8:11] = 12
    labels[28:36, 18:26, 9] = 12
    (picture,) = pictures(labels, FIRST, SECOND)
    assert picture.k == 9


def test_segments_have_their_colours_over_the_slice_and_a_legend_is_below_it() -> None:
    (picture,) = pictures(two_fragments(), FIRST, SECOND)
    columns, rows, _ = SHAPE
    assert picture.rgb.shape[0] > rows
    assert picture.rgb.shape[1] == columns
    grey = round(255 * (450 + 350) / 1600)
    assert picture.rgb[2, 2].tolist() == [grey] * 3
    inside = np.array(RED) * TINT + grey * (1 - TINT)
    np.testing.assert_allclose(picture.rgb[15, 10], inside, atol=1)
    edge = np.array(BLUE) * OUTLINE + grey * (1 - OUTLINE)
    np.testing.assert_allclose(picture.rgb[15, 15], edge, atol=1)
    below = picture.rgb[rows:].reshape(-1, 3)
    assert {RED, BLUE} <= {tuple(pixel) for pixel in below.tolist()}


def test_fragments_seen_on_one_slice_share_its_picture_and_others_have_their_own() -> None:
    labels = two_fragments()
    labels[15:25, 10:14, 7:8] = 13
    labels[26:34, 5:10, 2:3] = 14
    third, fourth = bone(13, fragment=3), bone(14, fragment=4)
    shown = pictures(labels, FIRST, SECOND, third, fourth)
    assert [picture.k for picture in shown] == [2, 6]


def test_intact_bones_have_no_pictures() -> None:
    assert pictures(two_fragments(), bone(11), bone(12)) == ()
