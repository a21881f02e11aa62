"""The flags of the answer for a radiograph."""

from __future__ import annotations

from operators.geometry.projection import Projection
from operators.geometry.value_notes import Note
from operators.measure.flags import MEANINGS
from operators.measure.projection_flags import PROJECTION_MEANINGS, measure_and_flag
from operators.radiographs import answer_flags
from operators.segmentation.segmentation import Flag
from tests.support.radiographs.radiograph_result_cases import CALIBRATED, ON_DETECTOR, made, projection


def codes(image: Projection, count: int = 2, flags: tuple[Flag, ...] = ()) -> list[str]:
    return [flag.code for flag in measure_and_flag(image, made(count, image, flags=flags)).flags]


def test_the_pipelines_flags_stay_and_notes_are_added() -> None:
    own = Flag("hardware", "Metal in the image.", (1, 2))
    image = projection(notes=(Note("several_exposures", "Two exposures in one image."),))
    found = measure_and_flag(image, made(2, image, flags=(own,)))
    assert found.flags == (own, Flag("several_exposures", "Two exposures in one image.", (1, 2)))
    assert measure_and_flag(image, found).flags == found.flags


def test_a_spacing_that_is_not_the_patients_is_named() -> None:
    assert codes(projection(spacing=CALIBRATED)) == []
    assert codes(projection(spacing=ON_DETECTOR)) == ["detector_spacing"]
    assert codes(projection(spacing=None)) == ["unknown_spacing"]
    noted = projection(spacing=None, notes=(Note("no_spacing", "The pixels have no size."),))
    assert codes(noted) == ["no_spacing"]


def test_flags_hold_for_the_image_where_nothing_was_found() -> None:
    image = projection(spacing=None)
    assert measure_and_flag(image, made(0, image)).flags[0].values == ()


def test_every_flag_has_a_meaning_that_a_code_may_have() -> None:
    assert PROJECTION_MEANINGS.items() <= MEANINGS.items()
    assert {
        answer_flags.OTHER_BODY_PART,
        answer_flags.OTHER_IMAGE_KIND,
        answer_flags.HARDWARE,
        *(code for code, _ in answer_flags.SHOWN.values()),
    } <= MEANINGS.keys()
    assert all(len(code) <= 64 and len(meaning) <= 64 for code, meaning in MEANINGS.items())
