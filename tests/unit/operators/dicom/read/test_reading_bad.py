"""Bad input: each kind has its own sentence, and none a traceback."""

import contextlib
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import require_series, scan
from operators.errors import UnreadableError, UnsuitableError
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import (
    AFFINE,
    HU,
    LARGER,
    only,
    removing,
    setting,
)


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (removing("ImagePositionPatient"), "missing_position"),
        (removing("ImageOrientationPatient"), "missing_orientation"),
        (removing("PixelSpacing"), "missing_spacing"),
        (removing("FrameOfReferenceUID"), "no_frame_of_reference"),
        (setting(PixelSpacing=[0, 0]), "missing_spacing"),
        (setting(PhotometricInterpretation="PALETTE COLOR"), "bad_photometric_interpretation"),
        (setting(ImageOrientationPatient=[1, 0, 0, 1, 0, 0]), "bad_orientation"),
    ],
)
def test_what_cannot_become_a_volume_says_why(tmp_path: Path, edit: phantoms.Edit, code: str) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    with pytest.raises(UnreadableError, match=r"expected .* got") as caught:
        read_volume(only(scan(tmp_path)))
    assert caught.value.code == code


def set_raw(keyword: str, vr: str, value: object) -> phantoms.Edit:
    def edit(dataset: Dataset, _: int) -> None:
        del dataset[keyword]
        dataset.add_new(keyword, vr, value)

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        set_raw("Rows", "US", [6, 6]),
        set_raw("Rows", "LO", "many"),
        set_raw("Rows", "SQ", [Dataset()]),
        set_raw("Rows", "US", 65535),
        setting(NumberOfFrames=10**9),
        setting(NumberOfFrames=-3),
        set_raw("ImagePositionPatient", "LO", ["a", "b", "c"]),
        set_raw("ImagePositionPatient", "DS", [1, 2]),
        set_raw("RescaleSlope", "DS", 0),
        set_raw("SOPInstanceUID", "UI", "../../etc"),
        set_raw("SeriesInstanceUID", "UI", "1.2/../3"),
        set_raw("StudyInstanceUID", "UI", "1." * 40 + "1"),
    ],
)
def test_malformed_values_make_the_file_unreadable_and_no_crash(tmp_path: Path, edit: phantoms.Edit) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    phantoms.write_ct(tmp_path / "bad", HU, AFFINE, keep=[0], edit=edit)
    found = scan(tmp_path)
    assert [file.path for file in found.unreadable] == ["bad/1_000.dcm"]
    assert found.unreadable[0].reason.startswith("expected")
    assert len(only(found).frames) == 10


def claim_16_gb(dataset: Dataset, _: int) -> None:
    dataset.Rows, dataset.Columns, dataset.BitsAllocated = 65535, 65535, 32


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.5"])
def test_16_gb_of_claimed_rows_are_not_believed(tmp_path: Path, syntax: str) -> None:
    for path in phantoms.write_ct(tmp_path, HU, AFFINE, transfer_syntax_uid=syntax):
        dataset = dcmread(path)
        claim_16_gb(dataset, 0)
        dataset.save_as(path)
    with pytest.raises(UnreadableError, match="by rows, columns and"):
        read_all(tmp_path)


def read_all(folder: Path) -> None:
    found = scan(folder)
    require_series(found)
    read_volume(only(found))


@pytest.mark.parametrize(
    ("make", "code", "text"),
    [
        (Path.exists, "empty_folder", "got an empty folder"),
        (lambda folder: (folder / "a.txt").write_text("x"), "no_dicom", "got 1 other file"),
        (lambda folder: (folder / "a").write_bytes(bytes(range(256)) * 9), "no_dicom", "got 1 other file"),
        (
            lambda folder: (folder / "a").write_bytes(bytes(128) + b"DICM" + bytes(range(7, 200)) * 9),
            "invalid_uid",
            "got 1 unreadable: a: ",
        ),
        (Path.rmdir, "no_input", "a path that does not exist"),
    ],
)
def test_input_without_any_series_says_what_it_is(
    tmp_path: Path, make: Callable[[Path], object], code: str, text: str
) -> None:
    make(tmp_path)
    with pytest.raises(UnreadableError, match=text) as caught:
        read_all(tmp_path)
    assert caught.value.code == code


def test_damaged_compressed_pixels_are_reported_not_guessed(tmp_path: Path) -> None:
    hu = phantoms.position_volume(LARGER, AFFINE)
    paths = phantoms.write_ct(tmp_path, hu, AFFINE, transfer_syntax_uid="1.2.840.10008.1.2.4.90")
    content = paths[2].read_bytes()
    start = content.index(b"\xff\x4f\xff\x51")
    paths[2].write_bytes(content[:start] + b"\0" * 60 + content[start + 60 :])
    with pytest.raises(UnreadableError) as caught:
        read_volume(only(scan(tmp_path)))
    assert caught.value.code == "damaged_pixels"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"])
def test_a_compressed_frame_larger_than_announced_is_not_decoded(tmp_path: Path, syntax: str) -> None:
    hu = phantoms.position_volume(LARGER, AFFINE)
    phantoms.write_ct(tmp_path, hu, AFFINE, transfer_syntax_uid=syntax)
    for path in tmp_path.iterdir():
        dataset = dcmread(path)
        dataset.Rows = 32
        dataset.save_as(path)
    with pytest.raises(UnreadableError, match="expected 32 rows of 40 pixels, got 33 rows of 40") as caught:
        read_volume(only(scan(tmp_path)))
    assert caught.value.code == "damaged_pixels"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.5"])
def test_flipped_bytes_never_raise_anything_but_an_error_of_ours(tmp_path: Path, syntax: str) -> None:
    source = phantoms.write_enhanced_ct(
        tmp_path / "ct.dcm", HU, AFFINE, transfer_syntax_uid=syntax
    ).read_bytes()
    damage = random.Random(20261121)
    for _ in range(40):
        content = bytearray(source)
        for _ in range(damage.choice((1, 3, 20))):
            content[damage.randrange(128, len(content))] = damage.randrange(256)
        (tmp_path / "ct.dcm").write_bytes(content)
        for series in scan(tmp_path).series:
            with contextlib.suppress(UnreadableError, UnsuitableError):
                read_volume(series)


def test_a_file_that_is_gone_when_its_pixels_are_wanted_is_reported(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path, HU, AFFINE)
    series = only(scan(tmp_path))
    paths[3].unlink()
    with pytest.raises(UnreadableError, match="in slice 4 of 10"):
        read_volume(series)
