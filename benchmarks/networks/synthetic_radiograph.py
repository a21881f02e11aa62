"""Makes a synthetic DICOM radiograph of any size for benchmarks: a limb, a bone with a gap, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian

# Below the root that this project's synthetic images have
UID_ROOT = "1.2.826.0.1.3680043.10.2.9"
# Standard deviation, of the highest value
NOISE = 0.01


def picture(shape: tuple[int, int], bits: int) -> NDArray[np.uint16]:
    """Returns grey (rows, columns) from air to bone in so many bits, the same in every call.

    Without the noise, a PNG of it would be compressed far faster than one of a real radiograph.
    """
    rows, columns = (np.linspace(0, 1, n, dtype=np.float32) for n in shape)
    limb = 0.45 * np.exp(-(((columns - 0.5) / 0.3) ** 4))[None] * (0.8 + 0.4 * rows)[:, None]
    bone = 0.38 * np.exp(-(((columns - 0.47) / 0.1) ** 4))[None] * (np.abs(rows - 0.55) > 0.01)[:, None]
    noise = np.random.default_rng(1).normal(0, NOISE, shape).astype(np.float32)
    highest = (1 << bits) - 1
    return np.rint(np.clip(0.03 + limb + bone + noise, 0, 1) * highest).astype(np.uint16)


def radiograph(shape: tuple[int, int] = (3000, 2500), bits: int = 14) -> Dataset:
    """Returns a Digital X-Ray image for presentation; `shape` is rows and columns."""
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.PatientName, made.PatientID, made.PatientBirthDate = "Phantom^Radiograph", "PHANTOM", ""
    made.StudyInstanceUID, made.SeriesInstanceUID = f"{UID_ROOT}.1", f"{UID_ROOT}.1.1"
    made.SOPClassUID = DigitalXRayImageStorageForPresentation
    made.SOPInstanceUID = f"{UID_ROOT}.1.1.1"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "DX", 1, 1
    made.ImageType = ["ORIGINAL", "PRIMARY", ""]
    made.PresentationIntentType, made.PresentationLUTShape = "FOR PRESENTATION", "IDENTITY"
    made.BodyPartExamined, made.ImageLaterality, made.ViewPosition = "HAND", "R", "PA"
    made.ImagerPixelSpacing = [0.1, 0.1]
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, bits, bits - 1, 0
    made.Rows, made.Columns = shape
    made.PixelData = picture(shape, bits).astype("<u2").tobytes()
    return made


def write_radiograph(path: Path, shape: tuple[int, int] = (3000, 2500), bits: int = 14) -> Path:
    """Writes an uncompressed file."""
    made = radiograph(shape, bits)
    made.file_meta = FileMetaDataset()
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path
