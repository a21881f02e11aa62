"""Bones of procedural CTs as subjects of the fracture network."""

from __future__ import annotations

import numpy as np
import pytest

from training.phantoms import PHANTOMS
from training.simulate.single_bones import scanned_phantom


@pytest.mark.parametrize(("seed", "fragments"), [(2000, [1, 1, 1]), (2001, [2, 3, 1])])
def test_every_bone_comes_with_its_texture_and_its_fragments(seed: int, fragments: list[int]) -> None:
    bones = scanned_phantom(PHANTOMS["pelvis"], seed)
    assert [len(np.unique(bone.fragments)) - 1 for bone in bones] == fragments
    for bone in bones:
        assert bone.hu is not None
        assert np.median(bone.hu[bone.fragments > 0]) > 150
        assert bone.hu.shape == bone.fragments.shape == bone.mask.shape
