"""The pictures of a radiograph, and their secondary captures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from operators.dicom.capture.secondary_captures import check_picture, write_pictures
from operators.geometry.projection import Projection
from operators.render.projection_pictures import (
    LARGEST,
    LARGEST_HEAT,
    draw_heat_map,
    draw_outlines,
    projection_pictures,
    shown_grey,
    shown_size,
)
from tests.slow.operators.dicom.capture.test_picture_writer import valid
from tests.support.radiographs.radiograph_result_cases import (
    COLOURS,
    ODD,
    grey,
    made,
    projection,
    provenance,
    series,
)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_image_is_whole_but_for_outlines_and_numbers_and_text_stands_below(count: int) -> None:
    image = Projection(grey((700, 660)))
    picture = draw_outlines(image, made(count, image))
    assert picture.shape[0] > 700
    assert picture.shape[1] == 660
    plain = np.rint(image.grey * 255).astype(np.uint8)
    coloured = (picture[:700] != plain[..., None]).any(axis=2)
    assert coloured.mean() < 0.02
    inside = made(count, image).label_map.labels[:, :, 0].T > 0
    assert not (coloured & inside).any()
    found = {tuple(each) for each in picture[:700].reshape(-1, 3).tolist()}
    assert [colour in found for colour in COLOURS] == [n < count for n in range(3)]


def test_large_images_are_reduced_and_small_ones_enlarged() -> None:
    assert shown_size((3000, 1500), LARGEST) == (1024, 2048)
    assert shown_size((1024, 819), LARGEST) == (819, 1024)
    assert shown_size(ODD, LARGEST) == (746, 910)
    large = Projection(grey((2600, 1300)))
    assert draw_outlines(large, made(1, large)).shape[1] == 1024
    assert draw_heat_map(shown_grey(large), made(1, large)).shape[1] == LARGEST_HEAT // 2


def test_a_finding_in_a_corner_has_its_number_within_the_image() -> None:
    image = projection((40, 30))
    assert draw_outlines(image, made(3, image)).shape[2] == 3


@pytest.mark.parametrize("count", [0, 2])
def test_captures_are_valid_and_name_the_radiograph(tmp_path: Path, count: int) -> None:
    found = made(count)
    pictures = projection_pictures(projection(), found)
    paths = write_pictures(pictures, provenance(found), tmp_path / "sc")
    outlines, heat = valid(paths)
    for path, dataset, picture in zip(paths, (outlines, heat), pictures, strict=True):
        check_picture(path, series())
        np.testing.assert_array_equal(dataset.pixel_array, picture.rgb)
        assert dataset.SourceImageSequence[0].ReferencedSOPInstanceUID == "1.2.3.1"
        assert list(dataset.PatientOrientation) == ["L", "F"]
        assert dataset.BurnedInAnnotation == "YES"
    assert outlines.ImageComments == "Outlined findings. For research, not for diagnosis."
    assert "illustration only" in heat.ImageComments
    again = write_pictures(pictures, provenance(found), tmp_path / "again")
    assert [dcmread(path) for path in again] == [outlines, heat]


@pytest.mark.parametrize("said", [None, ["L"], ["X", "F"], ["L", "DOE"]])
def test_an_orientation_that_is_none_stays_empty(tmp_path: Path, said: list[str] | None) -> None:
    found = made(1)
    shared = provenance(found, series(PatientOrientation=said))
    paths = write_pictures(projection_pictures(projection(), found), shared, tmp_path)
    assert all(dataset["PatientOrientation"].is_empty for dataset in valid(paths))
