"""Compares how long MONAI Deploy's operators and Osteon take to read a volume from one CT series.

    ulimit -s 32768; python -m benchmarks.dicom.reading [--folder DICOM] [--slices 274] [--repeats 5]

Without a folder it writes a synthetic series of 512 x 512 slices to a temporary one. Both read the same files
in turns, so that page cache and load are the same for both.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from monai.deploy.core import Fragment
from monai.deploy.core.domain.dicom_series_selection import SelectedSeries, StudySelectedSeries
from monai.deploy.operators.dicom_data_loader_operator import DICOMDataLoaderOperator
from monai.deploy.operators.dicom_series_to_volume_operator import DICOMSeriesToVolumeOperator
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from training.command_line import run

Reader = Callable[[Path], NDArray[np.generic]]


def main(*, folder: Path | None = None, slices: int = 274, repeats: int = 5) -> None:
    """Prints the median and range of each reader, and the ratio of the medians."""
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as temporary:
        series = folder or write_series(Path(temporary), slices)
        stock, ours = stock_reader(), read_ours
        same = np.array_equal(stock(series), ours(series).transpose())
        seconds = time_in_turns((stock, ours), series, repeats)
    for name, measured in zip(("stock", "ours"), seconds, strict=True):
        print(
            f"{name:6} median {statistics.median(measured):.3f} s, {min(measured):.3f} to {max(measured):.3f}"
        )
    print(f"ratio  {statistics.median(seconds[0]) / statistics.median(seconds[1]):.2f}; same voxels: {same}")


def time_in_turns(readers: tuple[Reader, ...], folder: Path, repeats: int) -> list[list[float]]:
    """Returns the seconds of each repeat for each reader."""
    seconds: list[list[float]] = [[] for _ in readers]
    for _ in range(repeats):
        for reader, measured in zip(readers, seconds, strict=True):
            start = time.perf_counter()
            reader(folder)
            measured.append(time.perf_counter() - start)
    return seconds


def stock_reader() -> Reader:
    """Returns a reader of the SDK's loader and series-to-volume operators, called as in the SDK's graph."""
    fragment = Fragment()
    loader = DICOMDataLoaderOperator(fragment, name="loader")
    converter = DICOMSeriesToVolumeOperator(fragment, name="converter")

    def read(folder: Path) -> NDArray[np.generic]:
        study = loader.load_data_to_studies(folder)[0]
        selected = StudySelectedSeries(study)
        selected.add_selected_series(SelectedSeries("all", study.get_all_series()[0]))
        return np.asarray(converter.convert_to_image([selected]).asnumpy())

    return read


def read_ours(folder: Path) -> NDArray[np.generic]:
    """Reads Hounsfield units (I, J, K) with Osteon."""
    return read_volume(scan(folder).series[0]).hu


def write_series(folder: Path, slices: int) -> Path:
    """Writes a CT series of 12-bit noise, one file a slice; returns the folder."""
    generator = np.random.default_rng(0)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for k in range(slices):
        ds = slice_header(k)
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = study, series, frame
        ds.PixelData = generator.integers(0, 4096, (512, 512), dtype=np.uint16).tobytes()
        ds.save_as(folder / f"{k:04}.dcm", enforce_file_format=True)
    return folder


def slice_header(k: int) -> Dataset:
    """Returns the header of slice `k` of an axial CT, 0.8 x 0.8 x 1 mm, without pixels and series UIDs."""
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


if __name__ == "__main__":
    run(main, __doc__)
