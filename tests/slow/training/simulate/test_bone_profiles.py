"""Simulated bones are as bright as real ones, from the cortex to the marrow."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from tests.support.dicom.hounsfield_cases import SHARED
from training.ct_files import read_ct
from training.simulate.body.bones import paint_bones, skeleton
from training.simulate.body.paint import draw_means
from training.simulate.scanner import scan
from training.subjects.subjects import resample
from training.subjects.tissues import tissue_of

pytestmark = pytest.mark.real_data
SPACING_MM = 1.5
# Depths in mm below the surface: cortex, bone under it, marrow; means of HU
LAYERS = ((0.0, 1.5), (1.5, 3.0), (5.0, 99.0))
DRAWS = 24
Mask = NDArray[np.bool_]


def profile(hu: NDArray[Any], bone: Mask) -> NDArray[np.float64]:
    """The mean HU of each layer."""
    depth = ndimage.distance_transform_edt(bone) * SPACING_MM
    return np.array([hu[(depth > low) & (depth <= high)].mean() for low, high in LAYERS])


def real(path: str) -> tuple[NDArray[np.float32], Mask]:
    """HU and mask of a bone that was masked out of a CT."""
    ct = read_ct(SHARED / "pelvis" / path)
    (box,) = ndimage.find_objects((ct.hu != 0).astype(np.uint8))
    hu = np.asarray(ct.hu[box], np.float32)
    spacing = np.array(ct.grid.spacing_mm)
    bone = resample(ndimage.binary_fill_holes(hu != 0).astype(np.float32), spacing, SPACING_MM, order=1)
    return resample(hu, spacing, SPACING_MM, order=1), bone >= 0.5


def simulated(bone: Mask, seed: int) -> NDArray[np.float32]:
    """HU of a bone of that shape in muscle."""
    rng = np.random.default_rng(seed)
    outside = ndimage.distance_transform_edt(~bone)
    surface_mm = np.where(bone, ndimage.distance_transform_edt(bone) - 0.5, 0.5 - outside) * SPACING_MM
    view = SimpleNamespace(
        surface_mm=surface_mm.astype(np.float32), spacing_mm=SPACING_MM, bones=bone.astype(np.uint8)
    )
    frame = skeleton(rng)
    means = draw_means(rng, (tissue_of("muscle"), tissue_of("hip_left")), frame)
    without = cast(Any, SimpleNamespace(shafts=None, hu=None))
    soft = np.full(bone.shape, 50, np.float32)
    return scan(rng, paint_bones(rng, without, cast(Any, view), means, soft, frame), SPACING_MM)


def test_real_hip_bones_and_sacra_lie_well_within_what_is_simulated() -> None:
    paths = [
        f"{patient}/{patient}_{bone}.nii.gz" for patient in ("001", "002", "003") for bone in ("SA", "RI")
    ]
    found = {path: real(path) for path in paths}
    shape = np.pad(found["003/003_RI.nii.gz"][1], 3)
    drawn = np.array([profile(simulated(shape, seed), shape) for seed in range(DRAWS)])
    low, high = np.percentile(drawn, (5, 95), axis=0)
    for path, (hu, bone) in found.items():
        own = profile(np.pad(hu, 3), np.pad(bone, 3))
        assert (low <= own).all(), path
        assert (own <= high).all(), path
