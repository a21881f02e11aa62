"""Quality flags: each is raised by a constructed case, and none by a clean one."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.geometry.value_notes import VALUE_MEANINGS, Note
from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.measure.flags import (
    CUT,
    DOUBTFUL,
    IMPLAUSIBLE,
    MEANINGS,
    METAL,
    SUSPECTED,
    THICK,
    TOO_COARSE,
    flag_result,
)
from operators.measure.measuring import measure_segments
from operators.package_files.package_reader import package_of, read_package
from operators.packages.packages import Label, QualityRules
from operators.packages.structures import Code
from operators.segmentation.segmentation import Flag, Segment, Segmentation
from operators.segmentation.summary import summary
from tests.support.dicom.seg_cases import BONE, LEFT, bone, package
from tests.support.packages.labels import made_label

RIGHT = Code("24028007", "SCT", "Right")
SHAPE = (60, 60, 40)
NOISE = np.random.default_rng(5).normal(0, 10, SHAPE)


def label(name: str, first: int, side: Code) -> Label:
    made = made_label(name, name, first, first + 9, side, type_=BONE)
    plausible = replace(made.structure, plausible_ml=(5.0, 20.0), plausible_mm=(25.0, 60.0))
    return replace(made, structure=plausible)


SURE: dict[str, Any] = {"bone_probability": 0.97, "fracture_probability": 0.1}
BROKEN: dict[str, Any] = {"bone_probability": 0.97, "fracture_probability": 0.9, "fragment_probability": 0.8}
HERE = replace(bone(11), **SURE)
THERE = replace(bone(21, laterality=RIGHT), bone="right_hip_bone", **SURE)
PACKAGE = replace(
    package(), labels=(label("left_hip_bone", 11, LEFT), label("right_hip_bone", 21, RIGHT)),
    quality=QualityRules(thickest_mm=3.0, coarsest_mm=4.0, greatest_ratio=1.5),
)  # fmt: skip


def grid(slices_mm: float = 1.0) -> Grid:
    return Grid(SHAPE, np.diag([1.0, 1.0, slices_mm, 1.0]))


def two_bones() -> np.ndarray:
    """Blocks of 8 ml, 20 mm a side, 10 mm and more from every border."""
    labels = np.zeros(SHAPE, np.uint8)
    labels[32:52, 20:40, 10:30] = 11
    labels[8:28, 20:40, 10:30] = 21
    return labels


def scan_of(labels: np.ndarray) -> np.ndarray:
    """Noisy soft tissue and bone."""
    return np.where(labels > 0, 600, 40) + NOISE


def flags(
    labels: np.ndarray, *segments: Segment, hu: np.ndarray | None = None, on: Grid | None = None
) -> tuple[Flag, ...]:
    on = on or grid()
    made = measure_segments(Segmentation(LabelMap(labels, on), segments or (HERE, THERE), PACKAGE))
    hu = scan_of(labels) if hu is None else hu
    return flag_result(made, CtVolume(hu.astype(np.int16), on)).flags


def test_a_clean_case_has_no_flags() -> None:
    assert flags(two_bones()) == ()


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("end", ["first", "last"])
def test_a_bone_that_reaches_the_border_of_the_scan_is_cut_by_it(axis: int, end: str) -> None:
    labels = two_bones()
    along = np.moveaxis(labels, axis, 0)
    along[:1] = along[:1]
    wanted = 11 if (axis, end) != (0, "first") else 21
    inside = np.flatnonzero((along == wanted).any(axis=(1, 2)))
    side = slice(0, inside[0]) if end == "first" else slice(inside[-1] + 1, None)
    middle = along[inside[0]] == wanted
    along[side][:, middle] = wanted
    cut = [flag for flag in flags(labels) if flag.code == CUT]
    assert [flag.values for flag in cut] == [(wanted,)]
    assert "cut off by the edge of the scan" in cut[0].sentence


def test_a_bone_that_meets_the_circle_of_the_reconstruction_is_cut_by_it() -> None:
    labels = two_bones()
    hu = scan_of(labels)
    hu[50:] = -1024
    labels[50:] = 0
    (flag,) = flags(labels, hu=hu)
    assert (flag.code, flag.values) == (CUT, (11,))


def test_air_beside_a_bone_is_no_border() -> None:
    labels = two_bones()
    hu = scan_of(labels)
    hu[52:] = -1000 + NOISE[52:]
    assert flags(labels, hu=hu) == ()


def test_metal_in_or_beside_a_bone_is_flagged_and_a_dense_speck_is_not() -> None:
    labels = two_bones()
    hu = scan_of(labels)
    hu[30, 30, 20] = 3071
    assert flags(labels, hu=hu) == ()
    hu[40:44, 15:42, 18:22] = 3071
    (flag,) = flags(labels, hu=hu)
    assert (flag.code, flag.values) == (METAL, (11,))
    assert "0.4 ml of metal" in flag.sentence


def test_slices_too_far_apart_are_flagged_for_every_segment() -> None:
    labels = two_bones()
    labels[:, :, 16:] = 0
    assert flags(labels, on=grid(3.0)) == ()
    (flag,) = flags(labels, on=grid(4.0))
    assert (flag.code, flag.values) == (THICK, (11, 21))
    (flag,) = flags(labels, on=grid(4.5))
    assert (flag.code, flag.values) == (TOO_COARSE, (11, 21))
    assert "4.5 mm apart: too coarse to show or exclude fractures" in flag.sentence


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ((16, 16, 16), "a volume of 4 ml"),
        ((28, 28, 28), "a volume of 22 ml"),
        ((20, 58, 6), "a diameter of 61 mm"),
    ],
)
def test_a_bone_of_an_implausible_size_is_flagged(size: tuple[int, int, int], said: str) -> None:
    labels = np.zeros(SHAPE, np.uint8)
    start = [(n - side) // 2 for n, side in zip(SHAPE, size, strict=True)]
    labels[tuple(slice(a, a + side) for a, side in zip(start, size, strict=True))] = 11
    found = [flag for flag in flags(labels, HERE) if flag.code == IMPLAUSIBLE]
    assert [flag.values for flag in found] == [(11,)]
    assert said in found[0].sentence


def test_a_bone_that_is_cut_may_be_small() -> None:
    labels = np.zeros(SHAPE, np.uint8)
    labels[20:36, 20:36, :16] = 11
    (flag,) = flags(labels, HERE)
    assert flag.code == CUT


def test_sides_of_very_different_volumes_are_flagged_together() -> None:
    labels = two_bones()
    labels[8:28, 20:40, 23:] = 0
    (flag,) = flags(labels)
    assert (flag.code, flag.values) == (IMPLAUSIBLE, (11, 21))
    assert "1.5 times the volume" in flag.sentence


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fracture_probability": 0.7}, "no fracture outlined, though a fracture has a probability of 70%"),
        ({"fracture_probability": 0.4}, "no fracture outlined, though a fracture has a probability of 40%"),
    ],
)
def test_a_fracture_that_is_not_shown_is_flagged(changes: dict[str, Any], said: str) -> None:
    (flag,) = flags(two_bones(), replace(HERE, **changes), THERE)
    assert (flag.code, flag.values) == (SUSPECTED, (11,))
    assert said in flag.sentence


def test_an_intact_bone_of_which_a_fracture_is_unlikely_is_not_flagged() -> None:
    assert flags(two_bones(), replace(HERE, fracture_probability=0.39), THERE) == ()


def test_a_fragment_of_low_confidence_is_flagged_and_its_neighbours_are_not() -> None:
    labels = two_bones()
    labels[32:52, 20:40, 20:30] = 12
    first, second = (replace(bone(value, fragment=n), **BROKEN) for n, value in ((1, 11), (2, 12)))
    assert flags(labels, first, replace(second, fragment_probability=0.61), THERE) == ()
    (flag,) = flags(labels, first, replace(second, fragment_probability=0.6), THERE)
    assert (flag.code, flag.values) == (DOUBTFUL, (12,))
    assert (
        flag.sentence == "Hip, left: fragment 2 (60%) barely more likely than not to be a separate fragment."
    )


def test_nothing_is_said_where_a_package_says_no_limits_and_has_no_calibration() -> None:
    labels = two_bones()
    bones = (bone(11), replace(bone(21, laterality=RIGHT), bone="right_hip_bone"))
    made = Segmentation(LabelMap(labels, grid(5.0)), bones, package())
    assert (
        flag_result(measure_segments(made), CtVolume(scan_of(labels).astype(np.int16), grid(5.0))).flags == ()
    )


def test_the_summary_says_every_flag() -> None:
    flag = Flag(METAL, "Hip, left: 2.0 ml of metal.", (11,))
    made = replace(Segmentation(LabelMap(two_bones(), grid()), (HERE,), PACKAGE), flags=(flag,))
    assert flag.sentence in summary(made)


def test_shipped_packages_say_what_is_plausible_and_a_wrong_range_is_refused() -> None:
    folder = Path(__file__).resolve().parents[4] / "models" / "pelvis"
    made = read_package(folder / "package.toml")
    assert all(label.structure.plausible_ml and label.structure.plausible_mm for label in made.labels)
    assert made.quality.thickest_mm > 0
    table = tomllib.loads((folder / "package.toml").read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="thickest"):
        package_of(table | {"quality": {"thickest": 3.0}}, folder)
    table["labels"][0]["plausible_ml"] = [410.0, 85.0]
    with pytest.raises(ValueError, match="a least and a greatest size"):
        package_of(table, folder)


def test_what_is_doubtful_in_the_values_of_the_image_holds_for_all_that_was_found() -> None:
    labels = two_bones()
    made = measure_segments(Segmentation(LabelMap(labels, grid()), (HERE, THERE), PACKAGE))
    notes = tuple(Note(code, f"{code}.") for code in VALUE_MEANINGS)
    found = flag_result(made, CtVolume(scan_of(labels).astype(np.int16), grid(), notes)).flags
    assert [(flag.code, flag.sentence) for flag in found] == [(note.code, note.text) for note in notes]
    assert {flag.values for flag in found} == {(HERE.value, THERE.value)}
    assert VALUE_MEANINGS.items() <= MEANINGS.items()
