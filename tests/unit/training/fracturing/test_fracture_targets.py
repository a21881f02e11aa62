"""Targets of the fracture network: interior and contact surface."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.support.bones.synthetic_bones import SPACING_MM, halves, sizes
from training.fracturing import contact_target


def brute_contact(fragments: NDArray[np.uint8], reach: int) -> NDArray[np.bool_]:
    """Voxels with two fragments within `reach` voxels along each axis, by looking at each of them."""
    near = [ndimage.maximum_filter(fragments == value, 2 * reach + 1) for value in sizes(fragments)]
    several: NDArray[np.bool_] = np.sum(near, axis=0) > 1
    return several


@pytest.mark.parametrize("spacing_mm", [0.8, 1.2, 2.4])
def test_contact_is_what_lies_within_2_4_mm_of_two_fragments(spacing_mm: float) -> None:
    fragments = halves()
    target = contact_target(fragments, spacing_mm)
    expected = brute_contact(fragments, round(2.4 / spacing_mm)) & (fragments > 0)
    assert np.array_equal(target == 2, expected)
    assert np.array_equal(target > 0, fragments > 0)
    along = np.flatnonzero((target == 2).any(axis=(1, 2)))
    reach = round(2.4 / spacing_mm)
    assert (along[0], along[-1]) == (10 - reach, 9 + reach)


def test_a_narrow_gap_between_fragments_counts_as_contact() -> None:
    target = contact_target(halves(gap=2), SPACING_MM)
    assert (target[8:10, 4:8, 4:8] == 2).all()


def test_fragments_far_apart_are_not_in_contact() -> None:
    assert not (contact_target(halves(gap=6), SPACING_MM) == 2).any()


def test_an_intact_bone_has_no_contact() -> None:
    fragments = np.minimum(halves(), 1)
    assert np.array_equal(contact_target(fragments, SPACING_MM), fragments)
    assert not contact_target(np.zeros_like(fragments), SPACING_MM).any()


def test_contact_reaches_the_border_of_the_patch() -> None:
    target = contact_target(halves()[:, 2:10, 2:10], SPACING_MM)
    assert (target[8:12] == 2).all()
