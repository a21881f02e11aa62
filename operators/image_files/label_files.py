"""Reads label maps and their meaning from files: DICOM SEG and RTSTRUCT, NIfTI, MetaImage and NRRD.

`read_named` reads all formats, with one function for each; `read_label_map` also converts the values to those
of the package. Files may have been edited: `values_of` recognises segments by their codes and names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from operators.dicom.rtstruct.rtstruct_reader import read_rtstruct
from operators.dicom.seg.seg_files import is_rtstruct, is_seg
from operators.dicom.seg.seg_reader import SegmentInfo, read_seg
from operators.dicom.seg.value_mapping import values_of
from operators.errors import UnreadableError, UsageError, reason
from operators.geometry.volume import Grid, LabelMap
from operators.image_files.segment_names import named_segments, names_beside, names_within
from operators.packages.packages import Label
from operators.process.file_names import shown_name

# NIfTI's world is RAS (nifti1.h, "+x = Right ... +y = Anterior"), Osteon's is LPS.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
Named = tuple[LabelMap, tuple[SegmentInfo, ...] | None]
Labelled = tuple[LabelMap, tuple[str, ...]]


def read_label_map(path: Path, labels: Sequence[Label], grid: Grid | None = None) -> Labelled:
    """Returns a label map with the package's values, and notes on what was left out.

    An RTSTRUCT needs the `grid` of its images. A file without names must have the package's values already.
    Raises UnsuitableError if the meaning of a segment is unclear, UnreadableError.
    """
    label_map, segments = read_named(path, grid)
    if segments is None:
        return label_map, _unknown_values(label_map, labels)
    values = values_of(segments, labels)
    left_out = [segment.label for segment in segments if segment.value not in values]
    notes = (f"left out segments of other structures: {', '.join(left_out)}",) if left_out else ()
    return _with_values(label_map, values), notes


def read_named(path: Path, grid: Grid | None = None) -> Named:
    """Returns the label map with the file's values, and their names; None if the file has no names."""
    read = READERS.get(_suffix(path.name))
    if read is not None:
        return read(path)
    if not is_rtstruct(path):
        return read_seg(path)
    if grid is None:
        raise UsageError("expected the images that an RTSTRUCT was drawn on, got the RTSTRUCT alone")
    return read_rtstruct(path, grid)


def write_nifti(label_map: LabelMap, path: Path) -> None:
    """Writes a label map as NIfTI, whose world is RAS."""
    import nibabel  # slow to import, and not needed for DICOM

    affine = RAS_TO_LPS @ label_map.grid.ijk_to_lps
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.asarray(label_map.labels), affine), path)


def is_label_file(path: Path) -> bool:
    """Returns whether the file's format can hold a label map; of DICOM, whether it is a SEG or RTSTRUCT."""
    return path.is_file() and (_suffix(path.name) in READERS or is_seg(path) or is_rtstruct(path))


def stem(name: str) -> str:
    """Returns a file name without the suffix of its format."""
    suffix = _suffix(name) or (".dcm" if name.lower().endswith(".dcm") else "")
    return name[: len(name) - len(suffix)]


def _with_values(label_map: LabelMap, values: dict[int, int]) -> LabelMap:
    table = np.zeros(max([int(label_map.labels.max()), *values]) + 1, dtype=np.uint16)
    table[list(values)] = list(values.values())
    return LabelMap(unsigned(table[label_map.labels]), label_map.grid)


def _unknown_values(label_map: LabelMap, labels: Sequence[Label]) -> tuple[str, ...]:
    unknown = sorted(set(_present(label_map)) - {value for label in labels for value in label.values})
    return (f"left out values of other structures: {unknown}",) if unknown else ()


def _present(label_map: LabelMap) -> list[int]:
    flat = label_map.labels.ravel(order="K")
    return [int(value) for value in np.flatnonzero(np.bincount(flat[flat > 0]))]


def _suffix(name: str) -> str:
    return next((suffix for suffix in READERS if name.lower().endswith(suffix)), "")


def read_named_nifti(path: Path) -> Named:
    """Reads a NIfTI label map, with the names in the BIDS table beside it."""
    label_map = read_nifti(path)
    names = names_beside(path.with_name(f"{stem(path.name)}.tsv"))
    return label_map, named_segments(_present(label_map), names)


def read_named_itk(path: Path) -> Named:
    """Reads a MetaImage or NRRD label map, with the names that 3D Slicer stores in a NRRD."""
    image = read_itk(path, "a label map")
    values, affine = array_of_itk(image)
    label_map = LabelMap(unsigned(values), Grid(_volume_shape(values), affine))
    return label_map, named_segments(_present(label_map), names_within(image))


def read_nifti(path: Path) -> LabelMap:
    """Reads a NIfTI label map with the file's values and axes."""
    values, affine = array_of_nifti(path, "a NIfTI label map")
    return LabelMap(unsigned(values), Grid(_volume_shape(values), affine))


def array_of_nifti(path: Path, expected: str) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Returns the values (i, j, k) and the affine in LPS of a NIfTI image, whose world is RAS.

    Raises UnreadableError for a file that is not what is `expected`.
    """
    import nibabel  # slow to import, and not needed for DICOM
    from nibabel.filebasedimages import ImageFileError

    try:
        image: Any = nibabel.load(path)
        return np.asanyarray(image.dataobj), RAS_TO_LPS @ image.affine
    except (OSError, ValueError, EOFError, ImageFileError) as error:
        got = reason(error)
        raise UnreadableError(f"expected {expected} at {shown_name(path.name)}, got: {got}") from error


def read_itk(path: Path, expected: str) -> Any:
    """Returns ITK's image of a MetaImage or NRRD. Raises UnreadableError for what is not as `expected`."""
    name = shown_name(path.name)
    try:
        str(path).encode()
    except UnicodeEncodeError as error:  # over which ITK ends the process
        raise UnreadableError(f"expected {expected} whose path is UTF-8, got {name}, whose is not") from error
    try:
        return SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise UnreadableError(
            f"expected {expected} that ITK can read at {name}, got something else"
        ) from error


def array_of_itk(image: Any) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Returns the values (i, j, k) and the affine of an ITK image (world LPS, arrays (k, j, i))."""
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return SimpleITK.GetArrayFromImage(image).transpose(), affine


def unsigned(values: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Returns whole numbers as uint8, or as uint16 if necessary. Raises UnreadableError for other values."""
    low, high = values.min(), values.max()
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise UnreadableError(f"expected label values in 0..65535, got {low}..{high}")
    whole = values.astype(np.uint8) if high < 256 else values.astype(np.uint16)
    if values.dtype.kind == "f" and not np.array_equal(whole, values):
        raise UnreadableError("expected whole numbers as labels, got fractions")
    return whole


READERS: dict[str, Callable[[Path], Named]] = {
    ".nii": read_named_nifti,
    ".nii.gz": read_named_nifti,
    ".mha": read_named_itk,
    ".mhd": read_named_itk,
    ".nrrd": read_named_itk,
    ".nhdr": read_named_itk,
}


def _volume_shape(values: NDArray[Any]) -> tuple[int, int, int]:
    if values.ndim != 3:
        raise UnreadableError(f"expected a label map of three dimensions, got {values.ndim}")
    i, j, k = values.shape
    return i, j, k
