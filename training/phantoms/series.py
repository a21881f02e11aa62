"""Writes a procedural CT as a DICOM series, one uncompressed file a slice."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from operators.geometry.volume import CtVolume, Grid

# Root of UIDs derived from UUIDs (ITU-T X.667), which collide with nobody else's.
_UID_PREFIX = "2.25."
_STORED_ZERO_HU = 1024


def write_series(ct: CtVolume, folder: Path, name: str = "") -> tuple[Path, ...]:
    """Writes a CT Image series; returns its files in slice order.

    UIDs derive from `name`, or without one from voxels and grid. The third axis of the grid must be
    perpendicular to the other two (PS3.3 C.7.6.2, CT Image).
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = name or content_name(ct)
    shared = {**_patient_and_study(name), **_series(name), **_image(ct.grid)}
    paths = []
    for k in range(ct.grid.shape[2]):
        path = folder / f"slice_{k + 1:04d}.dcm"
        _slice(ct, k, shared, name).save_as(path, enforce_file_format=True)
        paths.append(path)
    return tuple(paths)


def content_name(ct: CtVolume) -> str:
    """Returns a digest of voxels and grid, so that a UID names only these images (PS3.5 B)."""
    digest = hashlib.sha256(np.ascontiguousarray(ct.hu).data)
    digest.update(repr((ct.grid.shape, ct.grid.ijk_to_lps.tolist())).encode())
    return digest.hexdigest()


def _uid(name: str, part: str) -> str:
    return str(generate_uid(prefix=_UID_PREFIX, entropy_srcs=["osteon phantom", name, part]))


def _patient_and_study(name: str) -> dict[str, object]:
    return {
        "PatientName": "Phantom^Pelvis",
        "PatientID": "PHANTOM-PELVIS",
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "StudyInstanceUID": _uid(name, "study"),
        "StudyID": "PHANTOM",
        "StudyDate": "20260101",
        "StudyTime": "120000",
        "StudyDescription": "CT of the pelvis, computed phantom",
        "AccessionNumber": "",
        "ReferringPhysicianName": "",
    }


def _series(name: str) -> dict[str, object]:
    return {
        "SOPClassUID": CTImageStorage,
        "Modality": "CT",
        "Manufacturer": "Osteon",
        "ManufacturerModelName": "procedural phantom",
        "SeriesInstanceUID": _uid(name, "series"),
        "SeriesNumber": 2,
        "SeriesDate": "20260101",
        "SeriesTime": "120000",
        "SeriesDescription": "Pelvis, phantom, bone and soft tissue",
        "BodyPartExamined": "PELVIS",
        "PatientPosition": "HFS",
        "FrameOfReferenceUID": _uid(name, "frame of reference"),
        "PositionReferenceIndicator": "",
        "ConvolutionKernel": "",
        "AcquisitionNumber": 1,
        "ContentDate": "20260101",
        "ContentTime": "120000",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "KVP": 120,
    }


def _image(grid: Grid) -> dict[str, object]:
    """Returns the attributes of the image plane and pixels.

    PixelSpacing holds row spacing first, then column spacing (PS3.3 10.7.1.3); rows run along the array's
    second axis.
    """
    columns_mm, rows_mm, slices_mm = grid.spacing_mm
    along_i, along_j = (grid.ijk_to_lps[:3, axis] / grid.spacing_mm[axis] for axis in (0, 1))
    return {
        "ImageOrientationPatient": [round(float(v), 9) for v in (*along_i, *along_j)],
        "PixelSpacing": [round(rows_mm, 9), round(columns_mm, 9)],
        "SliceThickness": round(slices_mm, 9),
        "Rows": grid.shape[1],
        "Columns": grid.shape[0],
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleIntercept": -_STORED_ZERO_HU,
        "RescaleSlope": 1,
        "RescaleType": "HU",
        "WindowCenter": 300,
        "WindowWidth": 1500,
    }


def _slice(ct: CtVolume, k: int, shared: dict[str, object], name: str) -> Dataset:
    ds = Dataset()
    for keyword, value in shared.items():
        setattr(ds, keyword, value)
    corner = ct.grid.ijk_to_lps @ [0.0, 0.0, float(k), 1.0]
    ds.ImagePositionPatient = [round(float(v), 6) for v in corner[:3]]
    ds.InstanceNumber = k + 1
    ds.SOPInstanceUID = _uid(name, f"slice {k + 1}")
    stored = np.clip(ct.hu[:, :, k].T.astype(np.int32) + _STORED_ZERO_HU, 0, 4095)
    ds.PixelData = stored.astype("<u2").tobytes()
    ds["PixelData"].VR = "OW"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.MediaStorageSOPClassUID = CTImageStorage
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds
