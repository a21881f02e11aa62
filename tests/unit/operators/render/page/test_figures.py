"""The summary page says first what was found, with errors, and never a number that was not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from operators.measure.measuring import measure_segments
from operators.render.fracture_pictures import FracturePicture
from operators.render.page.figures import (
    bones_in_short,
    fracture_figures,
    page_sentences,
    page_table,
    radiograph_figures,
)
from operators.segmentation.measurements import Displacement, Measured
from operators.segmentation.segmentation import Flag, Segmentation
from operators.segmentation.summary import NOT_RULED_OUT
from tests.support.dicom.seg_cases import blobs, bone, grid, segmentation

BROKEN = measure_segments(segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2)))
INTACT = segmentation(blobs(), grid(), bone(11), replace(bone(12), bone="other"))
RGB = np.zeros((8, 8, 3), np.uint8)


def with_displacement(made: Segmentation) -> Segmentation:
    moved = Displacement(Measured(6.4, 1.9), Measured(4.8, 1.3))
    first, second = made.measurements
    return replace(made, measurements=(first, replace(second, displacement=moved)))


def test_a_broken_bone_has_a_row_with_its_probability_and_one_for_each_fragment() -> None:
    segments = tuple(
        replace(each, fracture_probability=0.87, fragment_probability=0.66) for each in BROKEN.segments
    )
    table = page_table(replace(BROKEN, segments=segments))
    assert table is not None
    whole, first, second = table.rows
    assert (whole[0], whole[-1], table.marked) == ("Hip, left: 2 fragments", "87%", frozenset((0,)))
    assert (first[0], first[3]) == ("Fragment 1", "largest")
    gap = BROKEN.measurements[1].gap
    assert gap is not None
    assert second[2] == f"{gap.mean_mm:.1f}, {gap.greatest_mm:.1f} ± {gap.uncertainty_mm:.1f} mm"
    assert second[3:] == ("not measurable", "not measurable", "66%")


def test_a_displacement_has_its_error_and_one_that_nobody_asked_for_is_not_called_unmeasurable() -> None:
    table = page_table(with_displacement(BROKEN))
    assert table is not None
    assert table.rows[2][3:5] == ("6.4 ± 1.9°", "4.8 ± 1.3 mm")
    made = replace(BROKEN, package=replace(BROKEN.package, measurements=("gap",)))
    table = page_table(made)
    assert table is not None
    assert table.rows[2][3:5] == ("not measured", "not measured")


def test_intact_bones_are_named_in_one_sentence_and_have_no_table() -> None:
    (told,) = bones_in_short(INTACT)
    assert told == f"No fracture found in: Hip left, Hip left. {NOT_RULED_OUT}"
    assert page_table(INTACT) is None


def test_the_broken_bone_comes_before_the_intact_ones_and_flags_after_them() -> None:
    intact = replace(bone(13), bone="other")
    flag = Flag("metal", "Metal lies beside it.", (11,))
    made = replace(BROKEN, segments=(intact, *BROKEN.segments), flags=(flag,), warnings=("A warning.",))
    broken, others, *rest = page_sentences(made)
    assert broken.startswith("Hip, left: 2 fragments")
    assert others.startswith("No fracture found in: Hip left.")
    assert rest == ["Metal lies beside it.", "A warning."]


def test_a_bone_with_a_suspected_fracture_is_not_called_free_of_one() -> None:
    flag = Flag("suspected_fracture", "Hip, left: a fracture has a probability of 46%.", (12,))
    first, others = page_sentences(replace(INTACT, flags=(flag,)))
    assert first == flag.sentence
    assert others == f"No fracture found in: Hip left. {NOT_RULED_OUT}"


def test_where_nothing_was_found_nothing_is_ruled_out() -> None:
    assert bones_in_short(segmentation(np.zeros((13, 9, 7), np.uint8), grid())) == (
        f"No bone was found. {NOT_RULED_OUT}",
    )


def test_the_pictures_are_of_the_fractures_and_of_all_bones() -> None:
    pictures = [FracturePicture(RGB, k, f"slice {k}") for k in range(6)]
    all_bones = "Bones that were found"
    shown = [each.caption for each in fracture_figures(pictures, RGB)]
    assert shown == ["slice 0", "slice 1", "slice 2", all_bones]
    assert [each.caption for each in fracture_figures((), RGB)] == [all_bones]
    assert fracture_figures(None, None) == ()
    assert radiograph_figures(None, RGB) == ()
