"""Real intact bones, shown to the fracture network as found bones are."""

from __future__ import annotations

import numpy as np
import pytest

from operators.pipelines.coarse_to_fine import BLANK_HU
from training.calibrate.intact import MUSCLE_HU, masked_block
from training.simulate.bone_patches import BoneSubject


def test_a_masked_bone_lies_in_soft_tissue_and_nothing_beyond() -> None:
    mask = np.zeros((40, 40, 40), np.float32)
    mask[10:30, 10:30, 10:30] = 1
    hu = np.where(mask > 0, 700, -500).astype(np.int16)
    block = masked_block(BoneSubject("bone", mask.astype(np.uint8), mask, hu, np.full(3, 0.8)), 1.2)
    assert block.grid.spacing_mm == (1.2, 1.2, 1.2)
    assert block.mask.sum() * 1.2**3 == pytest.approx(mask.sum() * 0.8**3, rel=0.15)
    assert block.hu[block.mask].max() == pytest.approx(700)
    assert set(np.unique(block.hu[~block.mask])) == {np.float32(MUSCLE_HU), np.float32(BLANK_HU)}
