"""Real bones, surfaces and CTs: imported as they are, closed or refused, and never taken for copies."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from operators.errors import UnsuitableError
from operators.image_files.label_files import read_nifti
from operators.image_files.volume_files import read_volume_file
from tests.support.dicom.hounsfield_cases import SHARED
from training.datasets.checking import projected
from training.datasets.importing import Wishes, import_dataset
from training.datasets.surfaces import read_surface
from training.radiograph.datasets.near_copies import COPY_ALIKE, correlation

pytestmark = pytest.mark.real_data


def test_a_real_fractured_bone_and_its_mask_are_a_case(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    for name in ("003_SA.nii.gz", "003_SA_mask.nii.gz"):
        (tmp_path / "source" / name).symlink_to(SHARED / "pelvis" / "003" / name)
    dataset = import_dataset(tmp_path / "source", tmp_path / "dataset", Wishes(patient_pattern="^([0-9]+)"))
    (case,) = dataset.cases
    assert case.patient == "003"
    truth = read_nifti(SHARED / "pelvis" / "003" / "003_SA_mask.nii.gz")
    np.testing.assert_array_equal(read_nifti(dataset.labels(case)).labels > 0, truth.labels > 0)


def test_published_surfaces_are_closed_or_refused_with_the_number_of_open_edges() -> None:
    assert read_surface(SHARED / "bone_meshes" / "l_femur.stl").colour is None
    with pytest.raises(UnsuitableError, match="with 48 open edges"):
        read_surface(SHARED / "bone_meshes" / "humerus.stl")


def test_cts_of_different_patients_are_no_copies() -> None:
    paths = sorted((SHARED / "head_neck_ct").glob("*.nii.gz"))[:4]
    images = [projected(read_volume_file(path)) for path in paths]
    assert max(correlation(one, other) for one, other in combinations(images, 2)) < COPY_ALIKE - 0.1
