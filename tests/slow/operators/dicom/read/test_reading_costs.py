"""The cost of reading an image depends on its rows, columns and frames, not on what its file expands to."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, RLELossless

from operators.dicom.elements.element_scan import elements
from operators.dicom.elements.file_meta import file_head
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import Scan, scan
from operators.errors import UnreadableError
from tests.support.dicom import phantoms
from tests.support.dicom.dataset_bytes import UID, ct, deflated, element, text
from tests.support.faults.wire import CT, DEFLATED, EXPLICIT, IMPLICIT

MEGABYTE = 1 << 20
BIG_ENDIAN = "1.2.840.10008.1.2.2"
AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume((64, 64, 4), AFFINE)


def peak_bytes(step: Callable[[], object]) -> int:
    """Of memory that Python and numpy allocate."""
    tracemalloc.start()
    try:
        step()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def deflated_slices(folder: Path, zeros: int) -> Path:
    """A CT whose files inflate to `zeros` more bytes than its slices have."""
    for path in phantoms.write_ct(folder, HU, AFFINE):
        dataset = pydicom.dcmread(path)
        uid = dataset.SOPInstanceUID
        content = path.read_bytes()[144 + int(dataset.file_meta.FileMetaInformationGroupLength) :]
        path.write_bytes(file_head(CT, uid, DeflatedExplicitVRLittleEndian, "CT1") + deflated(content, zeros))
    return folder


def test_what_lies_behind_the_pixels_of_deflated_slices_is_never_inflated(tmp_path: Path) -> None:
    folder = deflated_slices(tmp_path / "ct", 64 * MEGABYTE)
    assert sum(path.stat().st_size for path in folder.iterdir()) < MEGABYTE
    found: list[Scan] = []
    assert peak_bytes(lambda: found.append(scan(folder))) < 16 * MEGABYTE
    (series,) = found[0].series
    assert peak_bytes(lambda: read_volume(series)) < 16 * MEGABYTE
    np.testing.assert_array_equal(read_volume(series).hu, HU)


def test_deflated_pixels_that_end_before_their_rows_do_are_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "short.dcm"
    content = ct(rows=struct.pack("<H", 60_000)) + element(0x7FE10010, "OB", b"")
    content = content.replace(
        element(0x7FE00010, "OW", bytes(512)),
        element(0x00280100, "US", struct.pack("<H", 16)) + element(0x7FE00010, "OW", bytes(512), 1_920_000),
    )
    path.write_bytes(file_head(CT, f"{UID}.1.1", DEFLATED, "CT1") + deflated(content))
    (damaged,) = scan(path).unreadable
    assert damaged.code == "truncated_file"


def endless(path: Path, before: bytes) -> Path:
    """A file whose header inflates to 256 MB of zeros behind `before`."""
    content = deflated(ct()[:100] + before, 256 * MEGABYTE)
    path.write_bytes(file_head(CT, f"{UID}.1.1", DEFLATED, "CT1") + content)
    return path


def test_a_long_value_in_a_deflated_header_costs_a_bounded_amount(tmp_path: Path) -> None:
    path = endless(tmp_path / "long.dcm", element(0x00091010, "OB", b"", 1 << 30))
    assert peak_bytes(lambda: scan(path)) < 192 * MEGABYTE
    assert scan(path).unreadable[0].code == "too_large"


def test_elements_without_number_in_a_deflated_header_are_not_decoded(tmp_path: Path) -> None:
    path = endless(tmp_path / "many.dcm", element(0x00091010, "UN", b"") * 600_000)
    assert scan(path).unreadable[0].code == "too_many_elements"


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT])
def test_a_header_of_elements_without_number_is_not_decoded(tmp_path: Path, syntax: str) -> None:
    """pydicom makes an object of each item: 3 GB of 16 MB."""
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 600_000 + struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
    start = element(0x00081140, "SQ", b"", 0xFFFFFFFF)
    if syntax == IMPLICIT:
        start = struct.pack("<HHL", 0x0008, 0x1140, 0xFFFFFFFF)
    path = tmp_path / "wide.dcm"
    path.write_bytes(file_head(CT, f"{UID}.1.1", syntax, "CT1") + start + items + ct())
    found: list[Scan] = []
    assert peak_bytes(lambda: found.append(scan(path))) < 8 * MEGABYTE
    assert found[0].unreadable[0].code == "too_many_elements"


def in_big_endian(content: bytes) -> bytes:
    """Elements of the helpers here, whose values are texts, or empty and of undefined length."""
    swapped, at = b"", 0
    for tag, vr, start, end in elements(content, explicit=True):
        at, length = start, end - start
        head = struct.pack(">HH2s", tag >> 16, tag & 0xFFFF, vr)
        swapped += head + (struct.pack(">HL", 0, length) if vr == b"SQ" else struct.pack(">H", length))
        if length == 0xFFFFFFFF:
            return swapped
        swapped += content[start:end]
        if end == len(content):
            return swapped
    return swapped + content[at:]


START = text(0x00080005, "CS", "ISO_IR 100")
OPEN = element(0x00081140, "SQ", b"", 0xFFFFFFFF)
ITEMS = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 600_000
IMPLICIT_START = struct.pack("<HHL", 0x0008, 0x0005, 10) + b"ISO_IR 100"
IMPLICIT_OPEN = struct.pack("<HHL", 0x0008, 0x1140, 0xFFFFFFFF)
BIG = in_big_endian(START + OPEN) + struct.pack(">HHL", 0xFFFE, 0xE000, 0) * 600_000
PRIVATE = "1.2.840.113619.5.2"
LONG_META = text(0x00020100, "UI", "1.2.3") + element(0x00020102, "OB", bytes(1 << 17))


def head(syntax: str) -> bytes:
    return file_head(CT, f"{UID}.1.1", syntax, "CT1")


@pytest.mark.parametrize(
    "content",
    [
        head(EXPLICIT)[132:] + START + OPEN + ITEMS,
        head(IMPLICIT)[132:] + IMPLICIT_START + IMPLICIT_OPEN + ITEMS,
        head(BIG_ENDIAN)[132:] + BIG,
        head(EXPLICIT) + IMPLICIT_START + IMPLICIT_OPEN + ITEMS,
        head(IMPLICIT) + START + OPEN + ITEMS,
        head(BIG_ENDIAN) + START + OPEN + ITEMS,
        head(EXPLICIT) + BIG,
        head(EXPLICIT)[132:] + BIG,
        head(PRIVATE) + START + OPEN + ITEMS,
        BIG,
        head(EXPLICIT)[:132] + START + OPEN + ITEMS,
        head(EXPLICIT) + START + element(0x7FE11010, "OB", b"") + OPEN + ITEMS,
        head(EXPLICIT) + LONG_META + START + OPEN + ITEMS,
    ],
    ids=[
        "explicit, no preamble", "implicit, no preamble", "big endian, no preamble",
        "implicit that says explicit", "explicit that says implicit", "little endian that says big",
        "big endian that says little", "the same without preamble", "private", "bare big endian",
        "no file meta", "behind the place of pixels", "long file meta",
    ],
)  # fmt: skip
def test_no_way_of_writing_a_header_makes_objects_without_number(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wide.dcm"
    path.write_bytes(content)
    (refused,) = scan(path).unreadable
    assert refused.code in ("too_many_elements", "too_large")


def test_frames_without_number_make_no_objects(tmp_path: Path) -> None:
    """A file of 4 MB with as many frames of one pixel."""
    content = ct(rows=struct.pack("<H", 1)).replace(
        element(0x00280011, "US", struct.pack("<H", 16)),
        text(0x00280008, "IS", str(4 * MEGABYTE))
        + element(0x00280011, "US", struct.pack("<H", 1))
        + element(0x00280100, "US", struct.pack("<H", 8)),
    )
    pixels = element(0x7FE00010, "OB", bytes(4 * MEGABYTE))
    content = content.replace(element(0x7FE00010, "OW", bytes(512)), pixels)
    path = tmp_path / "frames.dcm"
    path.write_bytes(file_head(CT, f"{UID}.1.1", EXPLICIT, "CT1") + content)
    assert peak_bytes(lambda: scan(path)) < 8 * MEGABYTE
    assert scan(path).unreadable[0].code == "too_large"


def test_fragments_without_number_make_no_objects(tmp_path: Path) -> None:
    items = struct.pack("<HHL", 0xFFFE, 0xE000, 0) * 500_000
    pixels = element(0x7FE00010, "OB", items, 0xFFFFFFFF)
    content = ct().replace(element(0x7FE00010, "OW", bytes(512)), pixels)
    path = tmp_path / "fragments.dcm"
    path.write_bytes(file_head(CT, f"{UID}.1.1", RLELossless, "CT1") + content)
    assert peak_bytes(lambda: scan(path)) < 64 * MEGABYTE
    assert scan(path).unreadable[0].code == "too_large"


def compressed(folder: Path, syntax: str, altered: Callable[[bytes], bytes]) -> Path:
    """A CT in a compressed transfer syntax, each frame altered."""
    for path in phantoms.write_ct(folder, HU, AFFINE):
        dataset = pydicom.dcmread(path)
        dataset.compress(syntax, generate_instance_uid=False)
        frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
        dataset.PixelData = encapsulate([altered(frame)])
        dataset.save_as(path)
    return folder


def many_components(frame: bytes) -> bytes:
    """J2K: Csiz stands 40 bytes behind the start of the code stream."""
    at = frame.find(b"\xff\x4f\xff\x51") + 40
    return frame[:at] + struct.pack(">H", 16_384) + frame[at + 2 :]


@pytest.mark.parametrize(
    ("syntax", "altered"),
    [
        (RLELossless, lambda frame: frame + b"\x81\0" * (4 * MEGABYTE)),
        (JPEG2000Lossless, many_components),
        (JPEG2000Lossless, lambda frame: frame + bytes(4 * MEGABYTE)),
    ],
    ids=["RLE runs", "J2K components", "J2K length"],
)
def test_a_compressed_frame_costs_no_more_than_its_rows_and_columns(
    tmp_path: Path, syntax: str, altered: Callable[[bytes], bytes]
) -> None:
    (series,) = scan(compressed(tmp_path / "right", syntax, bytes)).series
    np.testing.assert_array_equal(read_volume(series).hu, HU)
    (series,) = scan(compressed(tmp_path / "wrong", syntax, altered)).series

    def read() -> None:
        with pytest.raises(UnreadableError) as raised:
            read_volume(series)
        assert raised.value.code == "damaged_pixels"

    assert peak_bytes(read) < 64 * MEGABYTE
