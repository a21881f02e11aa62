from __future__ import annotations

import numpy as np
import pytest

from training.subjects.shafts import shaft_share, shafts_of


def test_the_middle_of_a_long_bone_counts_as_shaft_and_short_bones_have_none() -> None:
    bones = np.zeros((40, 30, 130), np.uint8)
    bones[4:12, 4:12, 10:120] = 1
    bones[20:36, 10:26, 40:60] = 2
    coordinates = np.stack(np.meshgrid(*map(np.arange, bones.shape), indexing="ij")).astype(np.float32)
    share = shaft_share(shafts_of(bones), bones, coordinates)
    assert share[8, 8, 65] == pytest.approx(1, abs=0.01)
    assert share[8, 8, 12] < 0.2
    assert share[8, 8, 117] < 0.2
    assert (share[bones == 2] == 0).all()
