"""Reads a CT from NIfTI, NRRD or MetaImage: Hounsfield units on a grid in LPS mm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from app.files.label_files import RAS_TO_LPS
from operators.dicom.hounsfield.hounsfield_decision import check_volume
from operators.errors import UnreadableError, reason
from operators.geometry.volume import CtVolume, Grid

NIFTI, ITK = (".nii", ".nii.gz"), (".nrrd", ".nhdr", ".mha", ".mhd")
HU = np.iinfo(np.int16)


def is_volume_file(path: Path) -> bool:
    """Whether the file's name says that it is an image in one of the formats."""
    return path.is_file() and path.name.lower().endswith((*NIFTI, *ITK))


def read_volume_file(path: Path) -> CtVolume:
    """The CT of a file: `hu` (I, J, K) int16, its axes as stored; its notes say what is doubtful.

    Nothing in such a file says that its values are Hounsfield units: the image has to show it.
    Raises UnreadableError, and UnsuitableError for an image that shows that they are none.
    """
    read = _read_nifti if path.name.lower().endswith(NIFTI) else _read_itk
    values, affine = read(path)
    if values.ndim == 4 and values.shape[3] == 1:
        values = values[..., 0]
    if values.ndim != 3 or values.dtype.kind not in "iuf":
        got = f"{values.ndim} of {values.dtype}"
        raise UnreadableError(f"expected an image of three dimensions in numbers, got {got}")
    try:
        i, j, k = values.shape
        grid = Grid((i, j, k), affine)
    except ValueError as error:
        raise UnreadableError(f"expected an image with a place in space, got: {error}") from error
    return check_volume(CtVolume(_hounsfield(values), grid))


def _read_nifti(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """NIfTI's world is RAS."""
    try:
        image: Any = nibabel.load(path)
        return np.asanyarray(image.dataobj), RAS_TO_LPS @ image.affine
    except (OSError, ValueError, EOFError, ImageFileError) as error:
        raise UnreadableError(f"expected a NIfTI image at {path.name}, got: {reason(error)}") from error


def _read_itk(path: Path) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """ITK's world is LPS, its arrays come out as (k, j, i)."""
    try:
        image: Any = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        text = f"expected an image that ITK reads at {path.name}, got another"
        raise UnreadableError(text) from error
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        got = f"{image.GetDimension()} with {image.GetNumberOfComponentsPerPixel()} values each"
        raise UnreadableError(f"expected an image of three dimensions in numbers, got {got}")
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).transpose(), affine


def _hounsfield(values: NDArray[Any]) -> NDArray[np.int16]:
    """Rounded to int16, the first axis fastest, as volumes lie that were read from DICOM."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values, nan=HU.min, posinf=HU.max, neginf=HU.min)
        values = np.rint(values)
    return np.asarray(np.clip(values, HU.min, HU.max).astype(np.int16), order="F")
