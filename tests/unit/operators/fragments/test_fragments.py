"""Fragments of one bone from probabilities of interior and contact surface."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from operators.fragments.dark_faces import BRIGHT_ODDS
from operators.fragments.evidence import FractureEvidence, LeastOdds
from operators.fragments.fragments import split
from operators.fragments.watershed import by_size
from operators.packages.coarse_to_fine import FragmentRules
from operators.packages.confidence import CERTAIN

MEAN_CONTACT_OF_4_TENTHS = (-4.0, 10.0, 0.0, 0.0)
RULES = FragmentRules(
    "watershed_and_merge", minimum_mm3=200.0, seed_probability=0.5, fracture_logit=MEAN_CONTACT_OF_4_TENTHS
)
SHAPE = (44, 28, 28)


def bone_block() -> NDArray[np.bool_]:
    bone = np.zeros(SHAPE, bool)
    bone[4:40, 4:24, 4:24] = True
    return bone


def evidence(
    bone: NDArray[np.bool_], contact: NDArray[np.bool_], others: NDArray[np.bool_] | None = None
) -> FractureEvidence:
    """Probabilities as a network gives them: smooth, and never quite 0 or 1."""
    sheet = ndimage.gaussian_filter(contact.astype(np.float32), 0.5) * 0.9 + 0.02
    sheet = np.minimum(sheet, 0.95).astype(np.float32)
    hu = np.where(contact, 60, 300).astype(np.float32)
    return FractureEvidence(bone, np.zeros_like(bone) if others is None else others, sheet, hu, 1.2)


def sheet_at(i: int) -> NDArray[np.bool_]:
    contact = np.zeros(SHAPE, bool)
    contact[i : i + 3] = True
    return contact


def labels_of(seen: FractureEvidence) -> NDArray[np.uint16]:
    return split(seen, RULES).labels


def test_a_contact_sheet_splits_a_bone_in_two() -> None:
    labels = labels_of(evidence(bone_block(), sheet_at(24)))
    assert labels.max() == 2
    assert np.all(labels[4:24, 4:24, 4:24] == 1)
    assert np.all(labels[27:40, 4:24, 4:24] == 2)


@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (1, 2, 0)])
def test_the_split_does_not_depend_on_the_order_of_the_axes(axes: tuple[int, int, int]) -> None:
    labels = labels_of(evidence(bone_block().transpose(axes), sheet_at(24).transpose(axes)))
    assert labels.max() == 2
    assert np.all(labels.transpose(np.argsort(axes))[4:24, 4:24, 4:24] == 1)


@pytest.mark.parametrize("hole", [2, 4, 6])
def test_a_hole_in_the_contact_sheet_does_not_join_the_fragments(hole: int) -> None:
    contact = sheet_at(24)
    contact[:, 14 - hole // 2 : 14 + hole // 2, 14 - hole // 2 : 14 + hole // 2] = False
    labels = labels_of(evidence(bone_block(), contact))
    assert labels.max() == 2
    assert np.all(labels[4:22, 4:24, 4:24] == 1)


def test_an_intact_bone_is_one_fragment() -> None:
    bone = bone_block()
    labels = labels_of(evidence(bone, np.zeros(SHAPE, bool)))
    np.testing.assert_array_equal(labels, bone)


def test_an_intact_bone_with_a_waist_is_one_fragment() -> None:
    i, j, k = np.indices((60, 30, 30))
    bone = (j - 15) ** 2 + (k - 15) ** 2 < (5 + 8 * np.abs(np.cos(i / 60 * 2 * np.pi))) ** 2
    assert labels_of(evidence(bone, np.zeros(bone.shape, bool))).max() == 1


def test_three_sheets_give_four_fragments_by_falling_size() -> None:
    bone = np.zeros((90, 28, 28), bool)
    bone[4:86, 4:24, 4:24] = True
    contact = np.zeros(bone.shape, bool)
    for i in (18, 40, 50):
        contact[i : i + 3] = True
    labels = labels_of(evidence(bone, contact))
    sizes = np.bincount(labels.ravel())[1:]
    assert len(sizes) == 4
    assert list(sizes) == sorted(sizes, reverse=True)
    assert [labels[i, 14, 14] for i in (10, 30, 46, 70)] == [3, 2, 4, 1]


def chipped(side: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A block and a cube beside it that a contact sheet parts from the block."""
    bone = bone_block()
    bone[30:] = False
    chip = np.zeros(SHAPE, bool)
    chip[30 : 32 + side, 14 : 14 + side, 14 : 14 + side] = True
    contact = np.zeros(SHAPE, bool)
    contact[29:32, 13 : 15 + side, 13 : 15 + side] = True
    return bone | chip, contact


def test_a_chip_of_the_least_volume_is_kept() -> None:
    bone, contact = chipped(7)
    labels = labels_of(evidence(bone, contact))
    assert labels.max() == 2
    assert labels[34, 17, 17] == 2


def test_a_smaller_chip_is_given_to_its_neighbour() -> None:
    bone, contact = chipped(4)
    labels = labels_of(evidence(bone, contact))
    np.testing.assert_array_equal(labels, bone)


@pytest.mark.parametrize(("side", "count"), [(4, 1), (6, 2)])
def test_a_displaced_piece_counts_from_the_least_volume_on(side: int, count: int) -> None:
    bone = bone_block()
    bone[26:] = False
    bone[32 : 32 + side, 10 : 10 + side, 10 : 10 + side] = True
    labels = labels_of(evidence(bone, np.zeros(SHAPE, bool)))
    assert labels.max() == count
    np.testing.assert_array_equal(labels > 0, bone)


def test_a_bone_smaller_than_the_least_fragment_is_still_there() -> None:
    bone = np.zeros(SHAPE, bool)
    bone[10:13, 10:13, 10:13] = True
    np.testing.assert_array_equal(labels_of(evidence(bone, np.zeros(SHAPE, bool))), bone)


def test_no_bone_gives_no_fragment() -> None:
    nothing = np.zeros(SHAPE, bool)
    assert not labels_of(evidence(nothing, nothing)).any()


@settings(max_examples=25)
@given(seed=st.integers(0, 100_000), fill=st.floats(0.2, 0.7), contact_share=st.floats(0, 0.9))
def test_the_fragments_cover_exactly_the_bone(seed: int, fill: float, contact_share: float) -> None:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.random((20, 22, 18)), 1.5)
    bone = smooth > np.quantile(smooth, 1 - fill)
    noise = ndimage.gaussian_filter(rng.random(bone.shape), 1.0)
    contact = noise > np.quantile(noise, 1 - contact_share)
    labels = labels_of(evidence(bone, contact))
    np.testing.assert_array_equal(labels > 0, bone)
    sizes = np.bincount(labels.ravel())[1:]
    assert sizes.all()
    assert list(sizes) == sorted(sizes, reverse=True)
    assert len(sizes) == 1 or sizes.min() >= RULES.minimum_mm3 / 1.2**3


@settings(max_examples=15)
@given(
    seed=st.integers(0, 100_000),
    contact_share=st.floats(0.1, 0.9),
    others_share=st.floats(0, 0.5),
    least=st.floats(0, 4),
)
def test_no_piece_and_no_bone_is_shown_as_fractured_with_lower_odds_than_the_least(
    seed: int, contact_share: float, others_share: float, least: float
) -> None:
    rng = np.random.default_rng(seed)
    smooth, noise, around = (ndimage.gaussian_filter(rng.random((24, 26, 22)), n) for n in (1.5, 1.0, 1.5))
    bone = smooth > np.quantile(smooth, 0.5)
    contact = noise > np.quantile(noise, 1 - contact_share)
    others = ~bone & (around > np.quantile(around, 1 - others_share))
    found = split(evidence(bone, contact, others), RULES, LeastOdds(least, least))
    pieces = int(found.labels.max())
    assert (found.fractured >= least) == (pieces > 1)
    assert all(found.own(piece) >= least for piece in range(1, pieces + 1) if pieces > 1)
    assert max(found.contacts.values(), default=found.fractured) == found.fractured


def test_a_fragment_that_only_a_sliver_joined_to_its_bone_keeps_the_odds_of_that_face() -> None:
    bone = bone_block()
    contact = np.zeros(SHAPE, bool)
    contact[24:27], contact[30:33] = True, True
    others = ~bone
    others[:25], others[32:] = False, False
    found = split(evidence(bone, contact, others), RULES)
    assert found.labels.max() == 2
    assert found.contacts == {(1, 2): found.own(2)}
    assert found.own(2) == found.fractured > 0


def test_a_higher_least_joins_what_a_lower_one_parts() -> None:
    seen = evidence(bone_block(), sheet_at(24))
    odds = split(seen, RULES).fractured
    assert split(seen, RULES, LeastOdds(odds - 0.01)).labels.max() == 2
    joined = split(seen, RULES, LeastOdds(odds + 0.01))
    assert (joined.labels.max(), joined.contacts) == (1, {})
    assert joined.fractured == odds


def test_a_bone_in_a_scan_too_coarse_stays_whole_and_keeps_its_odds() -> None:
    seen = evidence(bone_block(), sheet_at(24))
    joined = split(seen, RULES, LeastOdds(face=inf))
    assert (joined.labels.max(), joined.contacts) == (1, {})
    assert joined.fractured == split(seen, RULES).fractured


def test_a_piece_apart_is_shown_in_a_scan_too_coarse() -> None:
    bone = bone_block()
    bone[24:27] = False
    found = split(evidence(bone, sheet_at(12)), RULES, LeastOdds(face=inf))
    assert found.labels.max() == 2
    assert found.contacts == {(1, 2): found.own(2)}


def three_pieces(first_hu: float) -> FractureEvidence:
    """A block with a surely broken face of `first_hu` and one that is less sure."""
    bone = np.zeros((70, 28, 28), bool)
    bone[4:66, 4:24, 4:24] = True
    contact = np.zeros(bone.shape, bool)
    contact[22:25], contact[50:53, 4:19] = True, True
    seen = evidence(bone, contact)
    seen.hu[22:25] = first_hu
    return seen


@pytest.mark.parametrize(("first_hu", "pieces"), [(60, 3), (290, 1)])
def test_a_bone_is_broken_by_one_sure_and_dark_face_and_then_has_its_other_fragments_too(
    first_hu: float, pieces: int
) -> None:
    seen = three_pieces(first_hu)
    odds = sorted(split(seen, RULES).contacts.values())
    sure = LeastOdds(bone=max(odds[1] - BRIGHT_ODDS / 2, odds[0] + 0.01))
    found = split(seen, RULES, sure)
    assert found.labels.max() == pieces
    assert found.fractured == split(seen, RULES).fractured
    assert split(seen, RULES, LeastOdds(bone=odds[1] + 0.01)).labels.max() == 1


def test_a_piece_apart_needs_no_dark_face() -> None:
    bone = bone_block()
    bone[24:27] = False
    seen = evidence(bone, np.zeros(SHAPE, bool))
    odds = split(seen, RULES).fractured
    assert split(seen, RULES, LeastOdds(bone=odds)).labels.max() == 2


def test_labels_are_renumbered_from_the_largest_down() -> None:
    labels = np.array([0, 7, 7, 3, 3, 3, 9], np.uint16).reshape(7, 1, 1)
    np.testing.assert_array_equal(by_size(labels, 10)[labels].ravel(), [0, 2, 2, 1, 1, 1, 3])


def other_bone_from(i: int) -> NDArray[np.bool_]:
    other = np.zeros(SHAPE, bool)
    other[i:] = True
    return other


def test_a_sliver_of_the_bone_across_a_joint_is_no_fragment() -> None:
    """The outline took 4 voxels of the neighbour along, beyond the dark line of the joint."""
    bone = bone_block()
    assert labels_of(evidence(bone, sheet_at(33))).max() == 2
    labels = labels_of(evidence(bone, sheet_at(33), other_bone_from(40)))
    assert labels.max() == 1
    assert np.all(labels[bone] == 1)


def test_a_thick_piece_that_lies_against_another_bone_stays_a_fragment() -> None:
    assert labels_of(evidence(bone_block(), sheet_at(24), other_bone_from(40))).max() == 2


def test_a_thin_piece_that_shows_soft_tissue_stays_a_fragment() -> None:
    other = other_bone_from(40)
    other[:, 8:] = False
    assert labels_of(evidence(bone_block(), sheet_at(33), other)).max() == 2


def test_a_whole_sheet_parts_and_says_how_surely() -> None:
    found = split(evidence(bone_block(), sheet_at(24)), RULES)
    assert set(found.contacts) == {(1, 2)}
    assert found.fractured == found.contacts[1, 2] == found.own(1) == found.own(2) > 3


def test_a_sheet_that_is_mostly_a_hole_joins_and_says_how_nearly_it_did_not() -> None:
    odds = []
    for hole in (12, 16, 18):
        contact = sheet_at(24)
        contact[:, 14 - hole // 2 : 14 + hole // 2, 14 - hole // 2 : 14 + hole // 2] = False
        found = split(evidence(bone_block(), contact), RULES)
        assert found.labels.max() == (2 if hole == 12 else 1)
        odds.append(found.fractured)
    assert odds[0] > 0 > odds[1] >= odds[2]


def test_a_chip_stays_with_the_odds_of_its_own_face() -> None:
    found = split(evidence(*chipped(8)), RULES)
    assert found.labels.max() == 2
    assert found.own(2) == found.contacts[1, 2] > 0


def test_an_incomplete_crack_stays_whole() -> None:
    contact = sheet_at(20)
    contact[:, 10:] = False
    found = split(evidence(bone_block(), contact), RULES)
    assert (found.labels.max(), found.contacts) == (1, {})
    assert -CERTAIN <= found.fractured < 0


@pytest.mark.parametrize(("side", "stays"), [(6, False), (12, True)])
def test_a_piece_that_touches_nothing_is_judged_by_its_size_as_if_contact_parted_it(
    side: int, stays: bool
) -> None:
    bone = bone_block()
    bone[26:] = False
    bone[30 : 30 + side, 8 : 8 + side, 8 : 8 + side] = True
    of_a_millilitre_or_more = replace(RULES, fracture_logit=(-13.0, 10.0, 1.0, 0.0))
    found = split(evidence(bone, np.zeros(SHAPE, bool)), of_a_millilitre_or_more)
    np.testing.assert_array_equal(found.labels > 0, bone)
    assert found.labels.max() == (2 if stays else 1)
    assert (found.fractured > 0) == stays
    assert found.contacts == ({(1, 2): found.own(2)} if stays else {})


def test_each_of_three_pieces_goes_by_its_least_certain_face() -> None:
    bone = np.zeros((70, 28, 28), bool)
    bone[4:66, 4:24, 4:24] = True
    contact = np.zeros(bone.shape, bool)
    contact[22:25], contact[50:53, 4:19] = True, True
    found = split(evidence(bone, contact), RULES)
    large, middle, small = (int(found.labels[i, 14, 14]) for i in (36, 10, 60))
    assert (large, middle, small) == (1, 2, 3)
    assert found.own(2) == found.contacts[1, 2] > found.contacts[1, 3] == found.own(3)
    assert found.own(1) == found.own(3)
    assert found.fractured == found.own(2)
