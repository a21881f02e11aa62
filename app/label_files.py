"""Reads label maps from files: NIfTI, MetaImage and NRRD, or DICOM SEG, with the package's values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from operators.dicom.seg_files import is_seg
from operators.dicom.seg_reader import SegmentInfo, read_seg
from operators.errors import UnreadableError, UnsuitableError
from operators.imaging.packages import Label
from operators.imaging.volume import Grid, LabelMap

# NIfTI's world is RAS (nifti1.h, "+x = Right ... +y = Anterior"), ours is LPS.
RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_label_map(path: Path, labels: Sequence[Label]) -> tuple[LabelMap, tuple[str, ...]]:
    """Label values by the package's convention, and notes of what did not fit it."""
    read = READERS.get(_suffix(path.name))
    if read is None:
        return read_labelled_seg(path, labels)
    label_map = read(path)
    return label_map, _unknown_values(label_map, labels)


def write_nifti(label_map: LabelMap, path: Path) -> None:
    """A label map as NIfTI, whose world is RAS."""
    affine = RAS_TO_LPS @ label_map.grid.ijk_to_lps
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(np.asarray(label_map.labels), affine), path)


def is_label_file(path: Path) -> bool:
    """Whether the file is of a kind that can hold a label map; of DICOM only a SEG is."""
    return path.is_file() and (_suffix(path.name) in READERS or is_seg(path))


def stem(name: str) -> str:
    """The name without the suffix of its kind."""
    suffix = _suffix(name) or (".dcm" if name.lower().endswith(".dcm") else "")
    return name[: len(name) - len(suffix)]


def read_labelled_seg(path: Path, labels: Sequence[Label]) -> tuple[LabelMap, tuple[str, ...]]:
    """A SEG's segments, found by their bone's code and side, under the package's values."""
    label_map, segments = read_seg(path)
    values = package_values(segments, labels)
    table = np.zeros(max([int(label_map.labels.max()), *values]) + 1, dtype=np.uint16)
    table[list(values)] = list(values.values())
    left_out = sorted({segment.value for segment in segments} - set(values))
    notes = (f"segments of no bone of the package left out: {left_out}",) if left_out else ()
    return LabelMap(unsigned(table[label_map.labels]), label_map.grid), notes


def package_values(segments: Sequence[SegmentInfo], labels: Sequence[Label]) -> dict[int, int]:
    """Segment number to label value; a bone's fragments take its values in their order."""
    values: dict[int, int] = {}
    for label in labels:
        own = sorted((s for s in segments if _names(s, label)), key=lambda s: (s.fragment or 0, s.value))
        if len(own) > len(label.values):
            raise UnsuitableError(f"expected at most {len(label.values)} fragments of a bone, got {len(own)}")
        values |= {segment.value: value for segment, value in zip(own, label.values, strict=False)}
    return values


def _names(segment: SegmentInfo, label: Label) -> bool:
    side = segment.laterality and segment.laterality.value
    return segment.region.value == label.type.value and side == (label.laterality and label.laterality.value)


def _unknown_values(label_map: LabelMap, labels: Sequence[Label]) -> tuple[str, ...]:
    flat = label_map.labels.ravel(order="K")
    present = np.flatnonzero(np.bincount(flat[flat > 0]))
    unknown = sorted(set(present.tolist()) - {value for label in labels for value in label.values})
    return (f"values of no bone of the package left out: {unknown}",) if unknown else ()


def _suffix(name: str) -> str:
    return next((suffix for suffix in READERS if name.lower().endswith(suffix)), "")


def read_nifti(path: Path) -> LabelMap:
    """Label values as they stand; the array's axes are left as stored."""
    try:
        image: Any = nibabel.load(path)
        values = np.asanyarray(image.dataobj)
    except (OSError, ValueError, ImageFileError) as error:
        raise UnreadableError(f"expected a NIfTI label map, got {type(error).__name__}") from error
    return LabelMap(unsigned(values), Grid(_volume_shape(values), RAS_TO_LPS @ image.affine))


def read_itk(path: Path) -> LabelMap:
    """MetaImage or NRRD: ITK's world is LPS, its arrays come out as (k, j, i)."""
    try:
        image: Any = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        raise UnreadableError(f"expected a label map that ITK reads, got {path.suffix}") from error
    values = SimpleITK.GetArrayFromImage(image).transpose()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return LabelMap(unsigned(values), Grid(_volume_shape(values), affine))


def unsigned(values: NDArray[Any]) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The same whole numbers as uint8, or uint16 where they need it."""
    low, high = values.min(), values.max()
    if low < 0 or high > np.iinfo(np.uint16).max:
        raise UnreadableError(f"expected label values in 0..65535, got {low}..{high}")
    whole = values.astype(np.uint8) if high < 256 else values.astype(np.uint16)
    if values.dtype.kind == "f" and not np.array_equal(whole, values):
        raise UnreadableError("expected whole numbers as labels, got fractions")
    return whole


READERS: dict[str, Callable[[Path], LabelMap]] = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".mha": read_itk,
    ".nrrd": read_itk,
}


def _volume_shape(values: NDArray[Any]) -> tuple[int, int, int]:
    if values.ndim != 3:
        raise UnreadableError(f"expected a label map of three dimensions, got {values.ndim}")
    i, j, k = values.shape
    return i, j, k
