"""CTs are read from NIfTI files where they lie."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from operators.errors import UsageError
from training.ct_files import read_ct


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
