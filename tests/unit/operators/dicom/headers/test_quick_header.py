"""The fast header parser reads a header as pydicom does, or not at all."""

from __future__ import annotations

import io

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
)

from operators.dicom.headers.fast.quick_header import quick_dataset

HEAD = 1 << 14


def encoded(syntax: str = ExplicitVRLittleEndian, *, nested: str = "", long_text: int = 0) -> bytes:
    """A file with a few attributes; `nested` is "defined" or "undefined" for a sequence of that length."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.SpecificCharacterSet, ds.PatientName = "ISO_IR 100", "Größe^Ä"
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, "1.2.3"
    ds.Rows, ds.Columns, ds.ImagePositionPatient = 4, 2, [1.5, -2, 3]
    ds.add_new(0x00091001, "UN", b"private")
    if nested:
        item = Dataset()
        item.CodeMeaning = "Hüfte"
        ds.AnatomicRegionSequence = [item]
        ds["AnatomicRegionSequence"].is_undefined_length = nested == "undefined"
    ds.ImageComments = "x" * long_text
    ds.PixelData = bytes(16)
    ds["PixelData"].VR = "OW"
    if syntax == JPEG2000Lossless:
        ds.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x02\x00\x00\x00\xff\x4f"
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True
    target = io.BytesIO()
    ds.save_as(target, enforce_file_format=True)
    return target.getvalue()


@pytest.mark.parametrize("nested", ["", "defined"])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEG2000Lossless])
def test_reads_what_pydicom_reads(syntax: str, nested: str) -> None:
    content = encoded(syntax, nested=nested)
    quick = quick_dataset(content[:HEAD])
    assert quick is not None
    dataset, pixels_at = quick
    expected = dcmread(io.BytesIO(content), stop_before_pixels=True)
    assert dataset == expected
    assert dataset.file_meta == expected.file_meta
    assert dataset.original_encoding == expected.original_encoding
    assert dataset.original_character_set == expected.original_character_set
    assert str(dataset.PatientName) == "Größe^Ä"
    assert content[pixels_at : pixels_at + 4] == b"\xe0\x7f\x10\x00"


@pytest.mark.parametrize(
    "content",
    [
        encoded(ImplicitVRLittleEndian),
        encoded(ExplicitVRBigEndian),
        encoded(nested="undefined"),
        encoded(long_text=HEAD),
        encoded()[132:],
        encoded()[:300],
        b"",
    ],
    ids=["implicit", "big endian", "undefined length", "long header", "no preamble", "cut short", "empty"],
)
def test_leaves_the_rest_to_pydicom(content: bytes) -> None:
    assert quick_dataset(content[:HEAD]) is None


@pytest.mark.parametrize("at", range(132, 460, 3))
def test_damaged_headers_raise_nothing(at: int) -> None:
    content = bytearray(encoded(nested="defined"))
    content[at] ^= 0xFF
    quick = quick_dataset(bytes(content[:HEAD]))
    assert quick is None or isinstance(quick[0], Dataset)
