"""Real intact bones: read from every kind of CT, and shown to the fracture network as found bones are."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from operators.errors import UsageError
from operators.pipelines.coarse_to_fine import BLANK_HU
from training.calibrate.intact import MUSCLE_HU, masked_block, read_ct
from training.simulate.bone_patches import BoneSubject


def test_a_nifti_file_is_read_where_it_lies(tmp_path: Path) -> None:
    hu = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)
    affine = np.diag([1.5, 2.0, 3.0, 1.0])
    affine[:3, 3] = 7, 8, 9
    nibabel.save(nibabel.Nifti1Image(hu, affine), tmp_path / "ct.nii.gz")
    ct = read_ct(tmp_path / "ct.nii.gz")
    np.testing.assert_array_equal(ct.hu, hu)
    np.testing.assert_allclose(ct.grid.ijk_to_lps, np.diag([-1.0, -1, 1, 1]) @ affine)


def test_a_missing_ct_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected data/ct\.nii\.gz in the data folder, found none"):
        read_ct(tmp_path / "data" / "ct.nii.gz")


def test_a_masked_bone_lies_in_soft_tissue_and_nothing_beyond() -> None:
    mask = np.zeros((40, 40, 40), np.float32)
    mask[10:30, 10:30, 10:30] = 1
    hu = np.where(mask > 0, 700, -500).astype(np.int16)
    block = masked_block(BoneSubject("bone", mask.astype(np.uint8), mask, hu, np.full(3, 0.8)), 1.2)
    assert block.grid.spacing_mm == (1.2, 1.2, 1.2)
    assert block.mask.sum() * 1.2**3 == pytest.approx(mask.sum() * 0.8**3, rel=0.15)
    assert block.hu[block.mask].max() == pytest.approx(700)
    assert set(np.unique(block.hu[~block.mask])) == {np.float32(MUSCLE_HU), np.float32(BLANK_HU)}
