"""CT files of 512 x 512 for the benchmarks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

PIXELS = 512


def write_study(folder: Path, instances: int) -> Path:
    """A study of one series with UIDs of its own; returns the folder."""
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 4096, (PIXELS, PIXELS), dtype=np.uint16).tobytes()
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(instances):
        ds = slice_header(k)
        ds.PatientName, ds.PatientID, ds.AccessionNumber = "Phantom^Pelvis", "PHANTOM", ""
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.PixelData = pixels
        ds.save_as(folder / f"{k:05}.dcm", enforce_file_format=True)
    return folder


def slice_header(k: int) -> Dataset:
    """Slice `k` of an axial CT, 0.8 x 0.8 x 1 mm, without pixels and without its series' UIDs."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = CTImageStorage, generate_uid(), "CT"
    ds.ImageType, ds.SeriesNumber, ds.InstanceNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], 1, k + 1
    ds.Rows = ds.Columns = 512
    ds.PixelSpacing, ds.SliceThickness = [0.8, 0.8], 1
    ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-204.8, -204.8, k]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 12, 11
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, -1024, "HU"
    return ds
