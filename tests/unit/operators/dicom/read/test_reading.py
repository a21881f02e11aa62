"""Reading what scanners and archives really send: every encoding gives the same Hounsfield units."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import (
    AFFINE,
    DATA,
    HU,
    LARGER,
    only,
    removing,
    setting,
)


@pytest.mark.parametrize(
    "syntax",
    [
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.5",
    ],
)
def test_every_transfer_syntax_gives_the_same_hounsfield_units(tmp_path: Path, syntax: str) -> None:
    hu = phantoms.position_volume(LARGER, AFFINE)
    phantoms.write_ct(tmp_path, hu, AFFINE, transfer_syntax_uid=syntax)
    series = only(scan(tmp_path))
    assert series.transfer_syntax_uid == syntax
    assert np.array_equal(read_volume(series).hu, hu)


def test_each_slice_keeps_its_own_rescale_slope(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        stored = np.frombuffer(dataset.PixelData, "<i2").astype(np.float64) - 1024
        slope = 1 + 0.37 * k
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, 0
        dataset.PixelData = np.rint(stored / slope).astype("<i2").tobytes()

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    assert np.abs(read_volume(only(scan(tmp_path))).hu - HU).max() <= (1 + 0.37 * 9) / 2 + 1


def test_slices_may_be_signed_and_unsigned_in_turn(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        if k == 0:
            stored = np.frombuffer(dataset.PixelData, "<i2").astype(np.int32) + 1000
            dataset.PixelData = stored.astype("<u2").tobytes()
            dataset.PixelRepresentation, dataset.RescaleIntercept = 0, -2024

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    assert np.array_equal(read_volume(only(scan(tmp_path))).hu, HU)


def test_a_missing_rescale_intercept_counts_as_0_with_a_warning(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE, edit=removing("RescaleIntercept", "RescaleSlope"))
    series = only(scan(tmp_path))
    assert "no RescaleIntercept" in series.warnings[0]
    assert np.array_equal(read_volume(series).hu, HU + 1024)


@pytest.mark.parametrize(("value", "limit"), [(-2000, None), (63536, None), (-2000, -1990)])
def test_pixel_padding_becomes_air(tmp_path: Path, value: int, limit: int | None) -> None:
    def edit(dataset: Dataset, _: int) -> None:
        stored = np.frombuffer(dataset.PixelData, "<i2").reshape(6, 8).copy()
        stored[0], stored[1] = -2000, -1995 if limit else -2000
        dataset.PixelData = stored.tobytes()
        dataset.add_new("PixelPaddingValue", "US" if value > 0 else "SS", value)
        if limit:
            dataset.add_new("PixelPaddingRangeLimit", "SS", limit)

    phantoms.write_ct(tmp_path, HU, AFFINE, edit=edit)
    read = read_volume(only(scan(tmp_path))).hu
    assert (read[:, :2] == -1024).all()
    assert np.array_equal(read[:, 2:], HU[:, 2:])


def test_bits_above_bits_stored_are_ignored(tmp_path: Path) -> None:
    def edit(dataset: Dataset, _: int) -> None:
        stored = np.frombuffer(dataset.PixelData, "<u2") & 0x0FFF | 0x7000
        dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 12, 11, 0
        dataset.PixelData = stored.astype("<u2").tobytes()

    small = np.clip(HU, -1000, 1000)
    phantoms.write_ct(tmp_path, small, AFFINE, edit=edit)
    assert np.array_equal(read_volume(only(scan(tmp_path))).hu, small)


def test_an_enhanced_ct_is_read_frame_by_frame(tmp_path: Path) -> None:
    order = [3, 0, 9, 1, 8, 2, 7, 4, 6, 5]
    phantoms.write_enhanced_ct(tmp_path / "ct.dcm", HU, AFFINE, order=order)
    series = only(scan(tmp_path))
    assert [frame.frame_number for frame in series.frames] == [order.index(k) + 1 for k in range(10)]
    assert series.instances == 1
    assert np.array_equal(read_volume(series).hu, HU)


@pytest.mark.parametrize(
    "syntax", ["1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"]
)
def test_an_enhanced_ct_may_be_compressed(tmp_path: Path, syntax: str) -> None:
    hu = phantoms.position_volume(LARGER, AFFINE)
    phantoms.write_enhanced_ct(tmp_path / "ct.dcm", hu, AFFINE, transfer_syntax_uid=syntax)
    assert np.array_equal(read_volume(only(scan(tmp_path))).hu, hu)


def test_the_header_keeps_names_in_their_character_set(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path, HU, AFFINE)
    header = only(scan(tmp_path)).header
    assert header.SpecificCharacterSet == "ISO_IR 192"
    assert str(header.PatientName) == "Phantom^Пример"
    assert "PixelData" not in header


def test_a_folder_may_mix_patients_subfolders_and_other_files(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "one" / "deep", HU, AFFINE)
    phantoms.write_ct(tmp_path / "two", HU, AFFINE, study=2, edit=setting(PatientID="OTHER"))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty").touch()
    write_dicomdir(tmp_path / "DICOMDIR")
    found = scan(tmp_path)
    assert len(found.series) == 2
    assert found.unreadable == ()
    assert len(found.others) == 3


def write_dicomdir(path: Path) -> None:
    directory = Dataset()
    directory.SOPClassUID, directory.SOPInstanceUID = "1.2.840.10008.1.3.10", "1.2.3"
    directory.FileSetID = "DISC"
    phantoms.save(directory, path)


def test_a_single_file_may_be_given(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path, HU, AFFINE)
    series = only(scan(paths[3]))
    assert series.fault is not None
    assert series.fault.code == "one_slice"


def test_a_file_without_preamble_is_read(tmp_path: Path) -> None:
    paths = phantoms.write_ct(tmp_path / "whole", HU, AFFINE, transfer_syntax_uid="1.2.840.10008.1.2")
    (tmp_path / "bare").mkdir()
    for path in paths:
        dataset = dcmread(path)
        del dataset.file_meta
        dataset.save_as(tmp_path / "bare" / path.name, implicit_vr=True, little_endian=True)
    assert np.array_equal(read_volume(only(scan(tmp_path / "bare"))).hu, HU)


@pytest.mark.real_data
def test_a_tilted_head_with_varying_gaps_is_read_on_a_sheared_grid() -> None:
    series = only(scan(DATA / "ge_ct_head_tilted"))
    volume = read_volume(series)
    assert volume.hu.min() == -1024
    assert any("tilted by 18.5 degrees" in warning for warning in series.warnings)
    for frame in series.frames:
        origin = volume.grid.ijk_to_lps @ np.array([0, 0, frame.k, 1])
        assert origin[:3] == pytest.approx(frame.position_lps_mm, abs=1e-3)


@pytest.mark.real_data
def test_a_thorax_in_jpeg_2000_is_read() -> None:
    series = only(scan(DATA / "siemens_ct_thorax_20"))
    volume = read_volume(series)
    assert volume.grid.spacing_mm == pytest.approx((0.9765625, 0.9765625, 2.0))
    assert (volume.hu.min(), volume.hu.max()) == (-1024, 1839)


@pytest.mark.real_data
def test_all_lossless_compressions_of_one_slice_agree(tmp_path: Path) -> None:
    names = ("CT1_J2KR.dcm", "CT1_JLSL.dcm", "CT1_JPLL.dcm", "CT1_RLE.dcm")
    volumes = [first_two_slices(DATA / "compressed" / name, tmp_path / name) for name in names]
    assert all(np.array_equal(volumes[0], other) for other in volumes[1:])
    assert volumes[0].min() == -1024
    assert volumes[0].max() > 1000


def first_two_slices(path: Path, folder: Path) -> np.ndarray:
    """The slice twice, 5 mm apart, for a volume needs two."""
    folder.mkdir()
    shutil.copy(path, folder)
    dataset = dcmread(path)
    dataset.SOPInstanceUID += ".1"
    dataset.ImagePositionPatient[2] += 5
    dataset.save_as(folder / "second")
    return read_volume(only(scan(folder))).hu
