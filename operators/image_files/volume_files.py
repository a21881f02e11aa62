"""Reads a CT from NIfTI, NRRD or MetaImage: Hounsfield units on a grid in LPS mm."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.dicom.hounsfield.hounsfield_decision import check_volume
from operators.errors import UnreadableError
from operators.geometry.volume import CtVolume, Grid
from operators.image_files.label_files import array_of_itk, array_of_nifti, read_itk

NIFTI, ITK = (".nii", ".nii.gz"), (".nrrd", ".nhdr", ".mha", ".mhd")
ENDINGS = (*NIFTI, *ITK)
# Text that names the files of the values; it is longer only if it lists thousands of slices
DETACHED, MOST_TEXT_BYTES = (".nhdr", ".mhd"), 1 << 20
HU = np.iinfo(np.int16)


def is_volume_file(path: Path) -> bool:
    """Returns whether the file name has the suffix of one of the formats."""
    return path.name.lower().endswith(ENDINGS) and path.is_file()


def value_files(path: Path) -> set[Path]:
    """Returns what a text header could name as files of its values: each line, and what follows = or :."""
    if not path.name.lower().endswith(DETACHED):
        return set()
    with path.open("rb") as file:
        lines = os.fsdecode(file.read(MOST_TEXT_BYTES)).splitlines()
    names = {part.strip() for line in lines for part in (line, re.split("[=:]", line, maxsplit=1)[-1])}
    return {path.parent / name for name in names}


def read_volume_file(path: Path) -> CtVolume:
    """Reads a CT: `hu` (I, J, K) int16, with the axes as stored; its notes say what is doubtful.

    Such a file does not state that its values are Hounsfield units, so the image is checked for it. Raises
    UnreadableError, and UnsuitableError if the values cannot be Hounsfield units.
    """
    is_nifti = path.name.lower().endswith(NIFTI)
    values, affine = array_of_nifti(path, "a NIfTI image") if is_nifti else _read_itk(path)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3 or values.dtype.kind not in "iuf":
        got = f"{values.ndim} of {values.dtype}"
        raise UnreadableError(f"expected a three-dimensional image of numbers, got {got}")
    try:
        i, j, k = values.shape
        grid = Grid((i, j, k), affine)
    except ValueError as error:
        raise UnreadableError(f"expected an image with a valid geometry, got: {error}") from error
    return check_volume(CtVolume(_hounsfield(values), grid))


def _read_itk(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Reads the values and the affine in LPS."""
    image = read_itk(path, "an image")
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        got = f"{image.GetDimension()} with {image.GetNumberOfComponentsPerPixel()} values each"
        raise UnreadableError(f"expected a three-dimensional image of numbers, got {got}")
    return array_of_itk(image)


def _hounsfield(values: NDArray[Any]) -> NDArray[np.int16]:
    """Rounds to int16, with the first axis fastest in memory, as in volumes read from DICOM."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=HU.min, posinf=HU.max, neginf=HU.min)
        values = np.rint(values)
    return np.asarray(np.clip(values, HU.min, HU.max).astype(np.int16), order="F")
