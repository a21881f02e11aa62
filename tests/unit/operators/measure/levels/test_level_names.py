"""Segments of a row of bones get the names of their levels, or numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators.geometry.volume import CtVolume, Grid, LabelMap
from operators.measure.flags import flag_result
from operators.measure.levels.level_names import numbered
from operators.measure.measuring import measure_segments
from operators.packages.levels import LevelEvidence, LevelRules
from operators.packages.packages import Label, ModelPackage
from operators.packages.structures import Code, Structure
from operators.segmentation.segmentation import Segment, Segmentation
from operators.segmentation.summary import summary
from tests.support.bones.synthetic_levels import LOWER, MIDDLE, RULES, Quality, evidence_on
from tests.support.dicom.seg_cases import ANATOMY, BONE, FRACTURE, package

ROW = (*MIDDLE[9:12], *LOWER[:5])
CLEAR = Quality(width=0.35, noise=0.3, shifted=0.0, ribs=4.0)


def structure(name: str) -> Structure:
    code = Code(name, "SCT", f"{name} bone")
    return Structure(name, f"{name} bone", ANATOMY, code, None, (len(name), 100, 200))


def row_package(rules: LevelRules = RULES) -> ModelPackage:
    names = (*rules.levels, rules.unnamed)
    labels = tuple(Label(structure(name), 10 * n + 1, 10 * n + 10) for n, name in enumerate(names))
    return replace(package(), labels=labels, measurements=(), names="vertebral_levels", levels=rules)


def segments_of(evidence: tuple[LevelEvidence, ...], broken: int | None = None) -> list[Segment]:
    """One segment for each bone from the top down, at values of the first labels; one may be broken."""
    made = []
    for n, each in enumerate(evidence):
        for fragment in (1, 2) if n == broken else (None,):
            made.append(
                Segment(
                    value=10 * n + (fragment or 1),
                    bone=RULES.levels[n],
                    label="",
                    fragment=fragment,
                    category=ANATOMY,
                    type=BONE if fragment is None else FRACTURE,
                    region=BONE,
                    laterality=None,
                    rgb=(0, 0, 0),
                    volume_ml=1.0,
                    network_mean=0.9,
                    evidence=each,
                )
            )
    return made


def unmeasured(segments: list[Segment], rules: LevelRules = RULES) -> Segmentation:
    labels = np.zeros((8, 8, 6 * len(segments)), np.uint8)
    for n, segment in enumerate(segments):
        labels[2:6, 2:6, -6 * n - 5 : -6 * n - 1] = segment.value
    grid = Grid(labels.shape, np.eye(4), "1.2.7")
    return Segmentation(LabelMap(labels, grid), tuple(segments), row_package(rules))


def measured(segments: list[Segment], rules: LevelRules = RULES) -> Segmentation:
    made = unmeasured(segments, rules)
    grid = made.label_map.grid
    return flag_result(measure_segments(made), CtVolume(np.zeros(grid.shape, np.int16), grid))


def evidence(seen: tuple[bool, bool] = (False, True), quality: Quality = CLEAR) -> tuple[LevelEvidence, ...]:
    return evidence_on(np.random.default_rng(4), ROW, quality, seen)


def test_bones_get_the_names_and_codes_of_their_levels_and_keep_their_values() -> None:
    found = measured(segments_of(evidence())).segments
    assert [each.bone for each in found] == list(ROW)
    assert [each.label for each in found] == [f"{level} bone" for level in ROW]
    assert [each.type.value for each in found] == list(ROW)
    assert [each.value for each in found] == [10 * n + 1 for n in range(len(ROW))]
    assert all(each.level is not None and each.level.is_certain for each in found)


def test_fragments_are_named_after_their_bone_and_stay_fractures() -> None:
    one, other = measured(segments_of(evidence(), broken=4)).segments[4:6]
    assert (one.bone, other.bone) == ("L2", "L2")
    assert one.label == "L2 bone fragment 1"
    assert (one.type, one.region.value) == (FRACTURE, "L2")
    assert one.rgb != other.rgb


@pytest.mark.parametrize(("seen", "first"), [(True, "8 from the bottom"), (False, "1 from the top")])
def test_bones_of_uncertain_level_are_numbered_from_the_end_in_view(seen: bool, first: str) -> None:
    sure = replace(RULES, least_probability=0.9999999)
    made = measured(segments_of(evidence((False, seen))), sure)
    assert made.segments[0].label == f"bone bone {first}, level uncertain"
    assert made.segments[0].bone == f"bone {first}"
    assert made.segments[0].type.value == "bone"
    assert len({each.bone for each in made.segments}) == len(ROW)
    (flag,) = [each for each in made.flags if each.code == "level_uncertain"]
    assert flag.values == tuple(each.value for each in made.segments)
    assert "T10 bone to L5 bone" in flag.sentence
    assert any("level uncertain" in each for each in summary(made))


def test_a_certain_naming_has_no_flag() -> None:
    assert not [each for each in measured(segments_of(evidence())).flags if each.code == "level_uncertain"]


def test_a_missing_bone_is_flagged() -> None:
    given = evidence()
    left = (*given[:2], *given[3:])
    made = measured(segments_of((left[0], replace(left[1], gap_below=True), *left[2:])))
    assert [each.values for each in made.flags if each.code == "bone_missing"] == [(11,)]
    assert [each.bone for each in made.segments] == [*ROW[:2], *ROW[3:]]


def test_bones_without_evidence_stay_as_they_are() -> None:
    plain = [replace(each, evidence=None) for each in segments_of(evidence())]
    assert [each.bone for each in measured(plain).segments] == [each.bone for each in plain]


def test_bones_that_are_not_measured_have_numbers_and_no_level() -> None:
    made = numbered(unmeasured(segments_of(evidence(), broken=1)))
    labels = [segment.label for segment in made.segments]
    assert labels[0] == f"{RULES.unnamed} bone 1 from the top, level uncertain"
    assert labels[2] == f"{RULES.unnamed} bone 2 from the top, level uncertain fragment 2"
    assert len({segment.bone for segment in made.segments}) == len(ROW)
    assert not {segment.bone for segment in made.segments} & set(RULES.levels)
