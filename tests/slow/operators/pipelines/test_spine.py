"""The package of the spine with networks that know a made one: named from the top down, or flagged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from operators.geometry.volume import CtVolume
from operators.packages.seen import AnatomyNotFoundError
from operators.segmentation.segmentation import Segmentation
from tests.support.bones.synthetic_spine import (
    BONE_MM,
    SPACE_MM,
    SURE,
    USUAL,
    MadeSpine,
    Reading,
    SpineNetworks,
    segmented,
    spine_package,
    turned,
)

NECK = MadeSpine(USUAL[:4])
LOWER = MadeSpine(USUAL[-7:])
PACE_MM = BONE_MM + SPACE_MM


def names(made: Segmentation) -> list[str]:
    return [segment.bone.removeprefix("vertebra_") for segment in made.segments]


def codes(made: Segmentation) -> set[str]:
    return {flag.code for flag in made.flags}


def run(ct: CtVolume, spine: MadeSpine = LOWER, reading: Reading = SURE, *unseen: str) -> Segmentation:
    return segmented(ct, SpineNetworks(spine, reading, unseen))


def lower(first: str = "T12", last: str = "L4", **how: float) -> CtVolume:
    return LOWER.part(f"vertebra_{first}", f"vertebra_{last}", **how)


def test_bones_are_named_from_the_top_down_and_lie_where_they_are() -> None:
    ct = lower()
    made = run(ct)
    assert names(made) == ["T12", "L1", "L2", "L3", "L4"]
    assert [segment.value for segment in made.segments] == [1, 11, 21, 31, 41]
    assert not made.flags
    assert not made.warnings
    heights_mm = ct.grid.ijk_to_lps[2, 3] + 2.0 * np.arange(ct.hu.shape[2])
    for segment in made.segments:
        low, high = LOWER.places_mm[f"vertebra_{names(made)[segment.value // 10]}"]
        inside = (made.label_map.labels == segment.value).any(axis=(0, 1))
        assert heights_mm[inside].min() == pytest.approx(low, abs=2.1)
        assert heights_mm[inside].max() == pytest.approx(high, abs=2.1)


def test_the_bones_at_its_ends_are_anchors_of_the_names() -> None:
    neck = run(NECK.part("vertebra_C1", "vertebra_C2", 20.0), NECK)
    assert names(neck) == ["C1", "C2", "C3"]
    assert [each.evidence is not None and each.evidence.is_first for each in neck.segments] == [
        True,
        False,
        False,
    ]
    end = run(lower("L4", "L5", beyond_mm=20.0))
    assert names(end)[-1] == "L5"
    assert [each.evidence is not None and each.evidence.is_last for each in end.segments][-1]


def test_a_sliver_of_an_end_is_no_anchor() -> None:
    # 4 ml of the sacrum, which could as well be an error of the network
    made = run(lower("L3", "L5", beyond_mm=SPACE_MM + 4.0))
    assert not any(each.evidence is not None and each.evidence.is_last for each in made.segments)


def test_a_bone_that_the_scan_cuts_is_kept_and_flagged() -> None:
    made = run(lower("L1", "L3", beyond_mm=SPACE_MM + BONE_MM / 2))
    assert names(made) == ["T12", "L1", "L2", "L3", "L4"]
    assert [each.evidence is not None and each.evidence.is_partial for each in made.segments] == [
        True, False, False, False, True,
    ]  # fmt: skip
    (first, last) = [flag for flag in made.flags if flag.code == "cut_by_field_of_view"]
    assert (first.values, last.values) == ((1,), (41,))


def test_ribs_out_of_view_are_no_evidence() -> None:
    wide, narrow = run(lower()), run(lower(sides=26))
    assert [each.evidence is not None and each.evidence.ribs for each in wide.segments] == [4, -4, -4, -4, -4]
    assert all(each.evidence is not None and each.evidence.ribs is None for each in narrow.segments)


def test_a_bone_that_is_not_outlined_leaves_a_gap_and_a_sentence() -> None:
    made = run(lower("T11", "L5"), LOWER, SURE, "vertebra_L2")
    assert names(made) == ["T11", "T12", "L1", "L3", "L4", "L5"]
    assert codes(made) == {"bone_missing"}
    (warning,) = made.warnings
    assert warning == "vertebra: 20 ml that belong to no single bone were left out."


def test_a_bone_that_is_left_out_later_leaves_a_gap_too() -> None:
    package = spine_package()
    labels = [
        replace(label, detection=replace(label.found_by, minimum_ml=100.0)) if n == 2 else label
        for n, label in enumerate(package.labels)
    ]
    made = segmented(lower(), SpineNetworks(LOWER), replace(package, labels=tuple(labels)))
    assert names(made) == ["T12", "L1", "L3", "L4"]
    assert [each.evidence is not None and each.evidence.gap_below for each in made.segments] == [
        False, True, False, False,
    ]  # fmt: skip
    assert made.warnings == ("Bone 3 of the row, from the top: left out, as too little of it is outlined.",)


@pytest.mark.parametrize("beyond_mm", [SPACE_MM / 2, 20.0])
@pytest.mark.parametrize("shift", [-1, 1])
def test_names_that_a_network_shifts_are_right_or_flagged(shift: int, beyond_mm: float) -> None:
    made = run(lower("L1", "L5", beyond_mm=beyond_mm), LOWER, Reading(shift=shift))
    right = names(made)[-5:] == ["L1", "L2", "L3", "L4", "L5"]
    assert right or "level_uncertain" in codes(made)


@pytest.mark.parametrize("score", [3.0, 9.0])
def test_one_bone_in_view_has_a_number_unless_an_end_says_which_it_is(score: float) -> None:
    made = run(lower("L2", "L2"), LOWER, Reading(score=score))
    assert [each.label for each in made.segments] == ["Vertebra 1 from the top, level uncertain"]
    (flag,) = made.flags
    assert flag.code == "level_uncertain"
    assert "L2 vertebra (" in flag.sentence
    assert names(run(lower("L5", "L5", beyond_mm=20.0))) == ["L4", "L5"]


def test_no_bone_in_view_is_a_refusal_that_says_what_is_seen() -> None:
    skull = NECK.ct(NECK.places_mm["skull"][0], NECK.height_mm)
    with pytest.raises(
        AnatomyNotFoundError, match=r"expected at least one of vertebra in the scan; it shows skull"
    ):
        run(skull, NECK)


def test_a_head_with_two_bones_is_named_from_the_skull() -> None:
    ct = NECK.ct(NECK.places_mm["vertebra_C2"][0] - 1.0, NECK.height_mm)
    made = run(ct, NECK)
    assert names(made) == ["C1", "C2"]
    # Shifted down, the skull contradicts it
    wrong = run(ct, NECK, Reading(shift=1))
    assert names(wrong) == ["C1", "C2"] or "level_uncertain" in codes(wrong)


@pytest.mark.parametrize(
    ("order", "flips"),
    [((0, 1, 2), (2,)), ((0, 1, 2), (0, 1)), ((1, 2, 0), ()), ((0, 2, 1), (1,)), ((2, 1, 0), (0, 2))],
    ids=["feet first", "prone", "sagittal", "coronal", "sagittal from the right"],
)
def test_the_order_of_slices_changes_nothing(order: tuple[int, int, int], flips: tuple[int, ...]) -> None:
    made, usual = run(turned(lower(), order, flips)), run(lower())
    assert names(made) == names(usual)
    assert not codes(made)
    np.testing.assert_allclose([a.volume_ml for a in made.segments], [b.volume_ml for b in usual.segments])


def test_a_scan_that_is_upside_down_is_flagged() -> None:
    ct = lower("T11", "L5")
    made = run(CtVolume(ct.hu[:, :, ::-1].astype(np.int16), ct.grid))
    assert len(made.segments) == 7
    assert "level_uncertain" in codes(made)
    assert all("level uncertain" in segment.label for segment in made.segments)


@pytest.mark.parametrize(
    ("slice_mm", "flag"), [(5.0, "too_coarse"), (6.0, "too_coarse"), (3.5, "thick_slices")]
)
def test_thick_slices_are_named_and_flagged(slice_mm: float, flag: str) -> None:
    made = run(lower(slice_mm=slice_mm))
    assert [name for name in names(made) if name in ("L1", "L2", "L3")] == ["L1", "L2", "L3"]
    assert flag in codes(made)
    assert "level_uncertain" not in codes(made)


def test_metal_is_flagged_at_the_bones_that_it_is_in() -> None:
    ct = lower()
    hu = ct.hu.copy()
    low, _ = LOWER.places_mm["vertebra_L2"]
    at = round((low + BONE_MM / 2 - ct.grid.ijk_to_lps[2, 3]) / 2)
    hu[18:22, 18:22, at - 2 : at + 2] = 3000
    made = run(CtVolume(hu, ct.grid))
    assert names(made) == ["T12", "L1", "L2", "L3", "L4"]
    (flag,) = made.flags
    assert (flag.code, flag.values) == ("metal", (21,))


@pytest.mark.parametrize(("middle", "sure"), [(11, False), (13, True)])
def test_variants_are_named_or_likeliest(middle: int, sure: bool) -> None:
    levels = (*(f"vertebra_T{n}" for n in range(9, middle + 1)), *USUAL[-5:])
    spine = MadeSpine(levels)
    made = run(spine.part(levels[0], levels[-1], 20.0), spine)
    named = [segment.level for segment in made.segments if segment.level is not None]
    assert [level.likeliest for level in named] == list(levels)
    assert {level.is_certain for level in named} == {sure}
    assert ("level_uncertain" in codes(made)) == (not sure)
