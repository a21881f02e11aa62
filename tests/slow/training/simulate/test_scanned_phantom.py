"""Bones of procedural CTs as subjects of the fracture network."""

from __future__ import annotations

import numpy as np

from training.phantoms import PHANTOMS
from training.simulate.single_bones import scanned_phantom


def test_every_bone_comes_with_its_texture_and_its_fragments() -> None:
    bones = scanned_phantom(PHANTOMS["pelvis"], seed=2001)
    assert [len(np.unique(bone.fragments)) - 1 for bone in bones] == [2, 3, 1]
    for bone in bones:
        assert bone.hu is not None
        assert np.median(bone.hu[bone.fragments > 0]) > 150
        assert bone.hu.shape == bone.fragments.shape == bone.mask.shape
