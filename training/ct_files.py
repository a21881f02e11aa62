"""CTs that trainings read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.errors import UsageError
from operators.geometry.volume import CtVolume, Grid


def read_ct(path: Path) -> CtVolume:
    """Reads a CT from a folder of DICOM, of which the longest series counts, or from a NIfTI or NRRD file."""
    # Imported here, as every command that calibrates nothing does without
    import SimpleITK

    if path.is_dir():
        return read_volume(max(scan(path).series, key=lambda each: each.grid.shape[2] if each.grid else 0))
    if not path.is_file():
        raise UsageError(f"expected {path.parent.name}/{path.name} in the data folder, found none")
    image = SimpleITK.ReadImage(str(path))
    hu: NDArray[np.int16] = SimpleITK.GetArrayFromImage(image).transpose().astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return CtVolume(hu, Grid(hu.shape, affine))
