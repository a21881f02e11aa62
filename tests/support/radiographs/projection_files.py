"""Makes DICOM radiographs of known values: a limb with a bone, in any bit depth and transfer syntax.

save(radiograph(), tmp_path / "1.dcm")                          # DX for presentation, 12 bits
save(radiograph(bits=8, Modality="CR", SOPClassUID=CR), ...)    # any attribute by its keyword
read(tmp_path)                                                  # the only radiograph of a folder
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gdcm
import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
)

from operators.dicom.headers.series import Series
from operators.dicom.pixels.projection_reader import read_projection
from operators.dicom.read.scan import scan
from operators.geometry.projection import Projection

DX, DX_RAW, CR, SC = map(
    str,
    (
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
        ComputedRadiographyImageStorage,
        SecondaryCaptureImageStorage,
    ),
)
UID_ROOT = "1.2.826.0.1.3680043.10.2"
SHAPE = (96, 80)
# Of gdcm's codecs, which write what pydicom cannot: JPEG baseline, extended, lossless
BY_GDCM = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.70",
)


def picture(bits: int = 12, shape: tuple[int, int] = SHAPE) -> NDArray[np.int64]:
    """Grey values from nearly 0 to nearly the maximum: air, soft tissue and a bone, smooth everywhere."""
    rows, columns = np.indices(shape) / np.array(shape).reshape(2, 1, 1)
    limb = 0.45 * np.exp(-(((columns - 0.5) / 0.3) ** 4)) * (0.8 + 0.4 * rows)
    bone = 0.42 * np.exp(-(((columns - 0.45) / 0.1) ** 4))
    return np.rint((0.02 + limb + bone) * ((1 << bits) - 1)).astype(np.int64)


def radiograph(
    stored: NDArray[np.integer] | None = None,
    *,
    bits: int = 12,
    allocated: int | None = None,
    number: int = 1,
    series: int = 1,
    study: int = 1,
    **attributes: object,
) -> Dataset:
    """A DX for presentation with grey values from 0 to the maximum; an attribute of None is left out."""
    stored = picture(bits) if stored is None else stored
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID, dataset.PatientBirthDate = "Phantom^X", "PHANTOM", ""
    dataset.StudyInstanceUID = f"{UID_ROOT}.{study}"
    dataset.SeriesInstanceUID = f"{UID_ROOT}.{study}.{series}"
    dataset.SOPClassUID, dataset.SOPInstanceUID = DX, f"{UID_ROOT}.{study}.{series}.{number}"
    dataset.Modality, dataset.InstanceNumber, dataset.ImageType = "DX", number, ["ORIGINAL", "PRIMARY", ""]
    dataset.PresentationIntentType, dataset.PresentationLUTShape = "FOR PRESENTATION", "IDENTITY"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = allocated or (8 if bits <= 8 else 16)
    dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = bits, bits - 1, 0
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.ImagerPixelSpacing = [0.15, 0.2]
    dataset.BodyPartExamined, dataset.ImageLaterality, dataset.ViewPosition = "HAND", "R", "PA"
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    signed = "i" if dataset.PixelRepresentation else "u"
    content = stored.astype(f"<{signed}{dataset.BitsAllocated // 8}").tobytes()
    dataset["PixelData"] = _pixel_data(content, dataset.BitsAllocated)
    return dataset


def _pixel_data(content: bytes, allocated: int) -> DataElement:
    return DataElement("PixelData", "OB" if allocated == 8 else "OW", content + b"\0" * (len(content) % 2))


def save(dataset: Dataset, path: Path, transfer_syntax_uid: str = ExplicitVRLittleEndian) -> Path:
    """Writes a file, compressed if the transfer syntax is."""
    syntax = UID(transfer_syntax_uid)
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if syntax in BY_GDCM:
        dataset.save_as(path, enforce_file_format=True)
        _by_gdcm(path, syntax)
        return path
    if syntax.is_encapsulated:
        options: dict[str, Any] = {"jls_error": 2} if syntax.endswith("4.81") else {}
        options |= {"j2k_psnr": [70]} if syntax.endswith("4.91") else {}
        dataset.compress(syntax, generate_instance_uid=False, **options)
    dataset.file_meta.TransferSyntaxUID = syntax
    if syntax == ExplicitVRBigEndian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.save_as(path, enforce_file_format=True)
    return path


def save_compressed(dataset: Dataset, folder: Path, syntax: str) -> None:
    """A file whose frame is left as it is."""
    dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = UID(syntax)
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    folder.mkdir(parents=True, exist_ok=True)
    dataset.save_as(folder / "1.dcm", enforce_file_format=True)


def _by_gdcm(path: Path, syntax: UID) -> None:
    """Compresses a file in place."""
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(str(syntax))))
    image = reader.GetImage()
    change.SetInput(image)
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    file = reader.GetFile()
    writer.SetFile(file)
    output = change.GetOutput()
    writer.SetImage(output)
    assert writer.Write()


def series_of(folder: Path) -> tuple[Series, ...]:
    """All series of a folder."""
    return scan(folder).series


def read(folder: Path) -> Projection:
    """The only radiograph of a folder."""
    (series,) = series_of(folder)
    return read_projection(series)


def grey_of(folder: Path, dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> NDArray[np.float32]:
    """The grey values of one synthetic radiograph."""
    save(dataset, folder / "1.dcm", syntax)
    return read(folder).grey
