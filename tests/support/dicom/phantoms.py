"""Writes DICOM CT series of a known volume, so that geometry can be checked by value.

`position_hu` assigns every point of the patient a Hounsfield value that is linear in the position: a
voxel read at the wrong place has the wrong value, and linear interpolation preserves it.

    affine = oblique_affine()                           # array index to LPS, mm
    write_ct(tmp_path, position_volume((8, 6, 5), affine), affine)
    write_ct(..., edit=lambda dataset, k: ...)          # change slices before they are written
    write_ct(..., keep=[0, 1, 3])                       # only some slices
    write_enhanced_ct(tmp_path / "ct.dcm", hu, affine)  # one multi-frame file

Arrays are hu[i, j, k]: i along the image's columns, j along its rows, k from slice to slice.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from functools import lru_cache
from io import BytesIO
from itertools import permutations, product
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import correct_ambiguous_vr_element, write_data_element
from pydicom.tag import BaseTag, Tag
from pydicom.uid import (
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
)

Affine = NDArray[np.float64]
Hu = NDArray[np.integer]
Edit = Callable[[Dataset, int], None]

HU_PER_MM = np.array([13.7, 5.3, 29.1])
UID_ROOT = "1.2.826.0.1.3680043.10.1"
# Pixels of the largest slices that are kept in memory
LARGEST_KEPT = 64 * 64
# What the file's head and the encoding of all other elements depend on
CONTEXT = {int(Tag(each)) for each in ("SpecificCharacterSet", "SOPClassUID", "SOPInstanceUID")}


def position_hu(lps_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns HU (...) of positions (..., 3) in mm."""
    return lps_mm @ HU_PER_MM


def position_volume(shape: tuple[int, int, int], ijk_to_lps: Affine) -> Hu:
    """Returns (I, J, K) int16: `position_hu` of each voxel's position, rounded."""
    indices = np.moveaxis(np.indices(shape), 0, -1)
    return np.rint(position_hu(indices @ ijk_to_lps[:3, :3].T + ijk_to_lps[:3, 3])).astype(np.int16)


def axial_affine(
    spacing_mm: Sequence[float] = (0.8, 0.7, 3.0), origin_mm: Sequence[float] = (-9.0, -7.0, 5.0)
) -> Affine:
    """Returns the affine of a head-first supine axial stack from feet to head."""
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = origin_mm
    return affine


def tilted_affine(degrees: float = 20.0) -> Affine:
    """Returns the affine of axial slices tilted about the patient's x axis while the table moves along z."""
    angle = np.radians(degrees)
    affine = axial_affine()
    affine[:3, 1] = 0.7 * np.array([0.0, np.cos(angle), -np.sin(angle)])
    return affine


def oblique_affine() -> Affine:
    """Returns the affine of slices oblique to all of the patient's axes."""
    turned, _ = np.linalg.qr(np.array([[0.9, 0.3, -0.2], [-0.1, 0.8, 0.4], [0.3, -0.5, 0.7]]))
    affine = axial_affine()
    affine[:3, :3] = turned @ affine[:3, :3]
    return affine


def all_orientations() -> list[Affine]:
    """Returns the 48 affines whose axes run along the patient's axes, in either direction."""
    affines = []
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = axial_affine()
        affine[:3, :3] = 0
        for column, (axis, sign, step_mm) in enumerate(zip(axes, signs, (0.8, 0.7, 3.0), strict=True)):
            affine[axis, column] = sign * step_mm
        affines.append(affine)
    return affines


def ct_slice(hu: Hu, ijk_to_lps: Affine, k: int, *, study: int = 1, series: int = 1) -> Dataset:
    """Returns one slice as a CT Image Storage instance: 16 bits signed, intercept -1024."""
    return _ct_plane(hu[:, :, k], ijk_to_lps, k, study, series)


def _ct_plane(plane: Hu, ijk_to_lps: Affine, k: int, study: int, series: int) -> Dataset:
    dataset = _patient_and_study(study, series)
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = f"{UID_ROOT}.{study}.{series}.{k + 1}"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.InstanceNumber, dataset.AcquisitionNumber = k + 1, 1
    dataset.ImagePositionPatient = _position(ijk_to_lps, k)
    dataset.ImageOrientationPatient = _cosines(ijk_to_lps)
    dataset.PixelSpacing = _spacing(ijk_to_lps)
    dataset.SliceThickness = 3
    dataset.ConvolutionKernel = "Br44"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = -1024, 1, "HU"
    _set_pixels(dataset, plane.T.astype(np.int32) + 1024)
    return dataset


def write_ct(
    folder: Path,
    hu: Hu,
    ijk_to_lps: Affine,
    *,
    edit: Edit | None = None,
    keep: Iterable[int] | None = None,
    study: int = 1,
    series: int = 1,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
) -> list[Path]:
    """Writes a file for each slice; `edit` changes slice k before it is compressed and written."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k in range(hu.shape[2]) if keep is None else keep:
        paths.append(folder / f"{series}_{k:03d}.dcm")
        plane, affine = hu[:, :, k], np.asarray(ijk_to_lps, np.float64)
        if plane.size > LARGEST_KEPT:
            kept, dataset = b"", _ct_plane(plane, affine, k, study, series)
        else:
            content = _Plane(
                plane.tobytes(), str(plane.dtype), plane.shape, affine.tobytes(), k, study, series
            )
            kept = _pickled(content)
            dataset = pickle.loads(kept) if edit else Dataset()
        if edit:
            edit(dataset, k)
        if not kept:
            save(dataset, paths[-1], transfer_syntax_uid)
        elif edit:
            paths[-1].write_bytes(_content(dataset, kept, transfer_syntax_uid))
        else:
            paths[-1].write_bytes(_encoded(kept, transfer_syntax_uid))
    return paths


class _Plane(NamedTuple):
    """What makes a slice: values, their type and shape, the affine, and the numbers of slice and series."""

    values: bytes
    dtype: str
    shape: tuple[int, ...]
    affine: bytes
    k: int
    study: int
    series: int


# pydicom takes 4 ms to build and encode a slice, and most tests write the same ones
@lru_cache(maxsize=2000)
def _pickled(content: _Plane) -> bytes:
    """Returns a slice's data set, pickled."""
    plane = np.frombuffer(content.values, content.dtype).reshape(content.shape)
    affine = np.frombuffer(content.affine).reshape(4, 4)
    made = pickle.dumps(_ct_plane(plane, affine, content.k, content.study, content.series))
    return pickle.dumps(pickle.loads(made))


def _content(dataset: Dataset, kept: bytes, transfer_syntax_uid: str) -> bytes:
    """Returns the content of an edited slice's file; only what was changed of it is encoded anew."""
    before, after = _kept_values(kept), _values(dataset)
    if before == after:
        return _encoded(kept, transfer_syntax_uid)
    changed = {tag for tag in after if before.get(tag) != after[tag]}
    if transfer_syntax_uid != ExplicitVRLittleEndian or changed & CONTEXT or not after.keys() >= CONTEXT:
        content = BytesIO()
        save(dataset, content, transfer_syntax_uid)
        return content.getvalue()
    head, elements = _parts(kept)
    return head + b"".join(
        _element(dataset, tag) if tag in changed else elements[tag] for tag in sorted(after)
    )


def _values(dataset: Dataset) -> dict[int, tuple[str, object]]:
    """Returns VR and value of each element; those of decimals as they are written."""
    items = dataset._dict.items()
    return {int(tag): (f"{type(item)}{item.VR}", _value(item.value)) for tag, item in items}


@lru_cache(maxsize=2000)
def _kept_values(kept: bytes) -> dict[int, tuple[str, object]]:
    return _values(pickle.loads(kept))


def _value(value: object) -> object:
    return value if isinstance(value, bytes) else repr(value)


@lru_cache(maxsize=2000)
def _parts(kept: bytes) -> tuple[bytes, dict[int, bytes]]:
    """Returns the head of a slice's file and its elements, each encoded."""
    dataset, content = pickle.loads(kept), _encoded(kept, ExplicitVRLittleEndian)
    elements = {int(tag): _element(dataset, tag) for tag in sorted(dataset._dict)}
    body = b"".join(elements.values())
    assert content.endswith(body)
    return content[: len(content) - len(body)], elements


def _element(dataset: Dataset, tag: int) -> bytes:
    """Returns an element of a data set, encoded."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    given = dataset._dict[BaseTag(tag)]
    is_parsed = isinstance(given, DataElement)
    element = correct_ambiguous_vr_element(deepcopy(given), dataset, True) if is_parsed else given
    write_data_element(buffer, element, ["utf8"])
    return buffer.getvalue()


@lru_cache(maxsize=2000)
def _encoded(pickled: bytes, transfer_syntax_uid: str) -> bytes:
    """Returns the content of a file."""
    content = BytesIO()
    save(pickle.loads(pickled), content, transfer_syntax_uid)
    return content.getvalue()


def write_enhanced_ct(
    path: Path,
    hu: Hu,
    ijk_to_lps: Affine,
    *,
    order: Sequence[int] | None = None,
    edit: Callable[[Dataset], None] | None = None,
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
) -> Path:
    """Writes one Enhanced CT; frame n shows slice `order[n]`, and its intercept is -1024 - n."""
    order = range(hu.shape[2]) if order is None else order
    dataset = _patient_and_study(1, 1)
    dataset.SOPClassUID = EnhancedCTImageStorage
    dataset.SOPInstanceUID = f"{UID_ROOT}.1.1.1"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    dataset.InstanceNumber = 1
    dataset.SharedFunctionalGroupsSequence = [_shared_group(ijk_to_lps)]
    dataset.PerFrameFunctionalGroupsSequence = [_frame_group(ijk_to_lps, n, k) for n, k in enumerate(order)]
    frames = [hu[:, :, k].T.astype(np.int32) + 1024 + n for n, k in enumerate(order)]
    _set_pixels(dataset, np.stack(frames))
    dataset.NumberOfFrames = len(frames)
    if edit:
        edit(dataset)
    save(dataset, path, transfer_syntax_uid)
    return path


def save(dataset: Dataset, path: Path | BytesIO, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> None:
    """Writes a DICOM file, compressed if the transfer syntax is."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    syntax = type(ExplicitVRLittleEndian)(transfer_syntax_uid)
    if syntax.is_encapsulated:
        dataset.compress(syntax, generate_instance_uid=False)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<i2").astype(">i2").tobytes()
    dataset.save_as(path, enforce_file_format=True)


def _patient_and_study(study: int, series: int) -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = "Phantom^Пример", "PHANTOM"
    dataset.PatientBirthDate, dataset.PatientSex = "", "O"
    dataset.StudyInstanceUID = f"{UID_ROOT}.{study}"
    dataset.SeriesInstanceUID = f"{UID_ROOT}.{study}.{series}"
    dataset.FrameOfReferenceUID = f"{UID_ROOT}.{study}.99"
    dataset.StudyID, dataset.AccessionNumber = str(study), ""
    dataset.StudyDate, dataset.StudyTime, dataset.ReferringPhysicianName = "20260101", "120000", ""
    dataset.SeriesNumber, dataset.SeriesDescription = series, f"phantom {series}"
    dataset.Modality, dataset.Manufacturer = "CT", "phantom"
    return dataset


def _position(ijk_to_lps: Affine, k: int) -> list[float]:
    return [round(float(x), 6) for x in ijk_to_lps[:3, 3] + k * ijk_to_lps[:3, 2]]


def _cosines(ijk_to_lps: Affine) -> list[float]:
    axes = ijk_to_lps[:3, :2] / np.linalg.norm(ijk_to_lps[:3, :2], axis=0)
    return [round(float(x), 10) for x in axes.T.ravel()]


def _spacing(ijk_to_lps: Affine) -> list[float]:
    """Returns PixelSpacing: between rows first, then between columns (PS3.3 10.7.1.3)."""
    along_i, along_j = np.linalg.norm(ijk_to_lps[:3, :2], axis=0)
    return [round(float(along_j), 6), round(float(along_i), 6)]


def _set_pixels(dataset: Dataset, stored: NDArray[np.int32]) -> None:
    dataset.Rows, dataset.Columns = stored.shape[-2:]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 1
    dataset.PixelData = stored.astype("<i2").tobytes()


def _macro(**attributes: object) -> list[Dataset]:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return [item]


def _shared_group(ijk_to_lps: Affine) -> Dataset:
    group = Dataset()
    group.PixelMeasuresSequence = _macro(PixelSpacing=_spacing(ijk_to_lps), SliceThickness=3)
    group.PlaneOrientationSequence = _macro(ImageOrientationPatient=_cosines(ijk_to_lps))
    group.CTImageFrameTypeSequence = _macro(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    return group


def _frame_group(ijk_to_lps: Affine, n: int, k: int) -> Dataset:
    group = Dataset()
    group.FrameContentSequence = _macro(FrameAcquisitionNumber=1, InStackPositionNumber=k + 1)
    group.PlanePositionSequence = _macro(ImagePositionPatient=_position(ijk_to_lps, k))
    group.PixelValueTransformationSequence = _macro(
        RescaleIntercept=-1024 - n, RescaleSlope=1, RescaleType="HU"
    )
    return group
