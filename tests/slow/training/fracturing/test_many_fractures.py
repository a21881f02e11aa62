"""Shares and sizes of many simulated fractures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from tests.support.bones.synthetic_bones import (
    SPACING_MM,
    block,
    sizes,
)
from tests.unit.training.fracturing.test_simulated_fractures import BIG, RULES, two_blocks
from training.fracturing import BrokenModel, fracture
from training.fracturing.breaking import break_bone
from training.fracturing.displacement import displace

COMMINUTED = replace(RULES, comminuted=1, undisplaced=1)


def test_most_broken_bones_have_two_fragments_or_more() -> None:
    counts = [
        len(sizes(fracture(np.random.default_rng(seed), block(), SPACING_MM, RULES).fragments))
        for seed in range(30)
    ]
    assert sum(count > 1 for count in counts) >= 25


def test_comminuted_bones_reach_ten_fragments_and_none_is_under_a_fifth_of_a_millilitre() -> None:
    bones = [break_bone(np.random.default_rng(n), BIG, SPACING_MM, COMMINUTED, False) for n in range(24)]
    found = [sizes(bone.fragments) for bone in bones]
    assert max(len(one) for one in found) == 10
    assert min(min(one.values()) for one in found) * SPACING_MM**3 >= 200


def test_a_few_fragments_are_dislocated_by_centimetres() -> None:
    bone = two_blocks()
    wide = BrokenModel(np.pad(bone.hu, 30, mode="edge"), np.pad(bone.fragments, 30))
    rules = replace(RULES, undisplaced=0, dislocated=1)
    far = []
    for seed in range(8):
        moved = displace(np.random.default_rng(seed), wide, SPACING_MM, rules)
        centres = [np.array(ndimage.center_of_mass(one.fragments == 2)) for one in (wide, moved)]
        far.append(np.linalg.norm(centres[1] - centres[0]) * SPACING_MM)
    assert max(far) > 25
