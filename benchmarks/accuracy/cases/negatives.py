"""Negatives: scans that show none of the package's bones, so that every finding is a false positive."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel
import numpy as np

from app.files.label_files import RAS_TO_LPS
from benchmarks.accuracy.cases.patients import series_volume
from benchmarks.accuracy.cases.scan import Scan, scan_of
from benchmarks.accuracy.cases.simulated import boneless_scan
from operators.geometry.volume import Grid

DICOM_SERIES = ("siemens_ct_thorax_20", "ge_ct_head_tilted")
BONELESS_BODIES = 2


def negatives(data: Path, trained_on: set[str]) -> dict[str, Callable[[], Scan]]:
    """Returns the negatives by name, without those used in training (paths below `data`)."""
    files = [*sorted((data / "leg_ct").glob("*.nii.gz")), *sorted((data / "head_neck_ct").glob("*.nii.gz"))]
    unseen = [path for path in files if str(path.relative_to(data)) not in trained_on]
    found: dict[str, Callable[[], Scan]] = {
        path.name.split(".")[0]: partial(nifti_scan, path) for path in unseen
    }
    found |= {name: partial(dicom_scan, data / "dicom" / name) for name in DICOM_SERIES}
    bodies = range(BONELESS_BODIES)
    return found | {f"body without bones {n + 1}": partial(boneless_scan, n) for n in bodies}


def nifti_scan(path: Path) -> Scan:
    """Reads a CT from a NIfTI file, whose world space is RAS."""
    image = nibabel.load(path)
    hu = np.rint(np.asarray(image.dataobj)).astype(np.int16)
    i, j, k = hu.shape
    return scan_of(hu, np.zeros(hu.shape, np.uint8), Grid((i, j, k), RAS_TO_LPS @ image.affine))


def dicom_scan(folder: Path) -> Scan:
    """Reads a CT from a DICOM series."""
    volume = series_volume(folder)
    return scan_of(volume.hu, np.zeros(volume.grid.shape, np.uint8), volume.grid)
