"""Series with values that are not stored as Hounsfield units: corrected, flagged or refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.dataset import Dataset

import operators.dicom.pixels.decoding
import operators.dicom.pixels.volume_reader
from operators.dicom.headers.series import Series
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume
from tests.support.dicom import phantoms
from tests.support.dicom.hounsfield_cases import FAULTS, Hu, abdomen, body
from tests.support.dicom.reading_cases import only, removing

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
Change = Callable[[np.ndarray], np.ndarray]


def stored_as(change: Change, kind: str = "<u2", **attributes: object) -> phantoms.Edit:
    """Stored values made of Hounsfield units; without intercept where none is given."""

    def edit(dataset: Dataset, _: int) -> None:
        hu = np.frombuffer(dataset.PixelData, "<i2").astype(np.int64) - 1024
        dataset.PixelRepresentation = int(kind[1] == "i")
        dataset.PixelData = change(hu).astype(kind).tobytes()
        del dataset.RescaleIntercept
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return edit


def some(edit: phantoms.Edit, chosen: Callable[[int], bool]) -> phantoms.Edit:
    return lambda dataset, k: edit(dataset, k) if chosen(k) else None


def written(folder: Path, edit: phantoms.Edit, hu: Hu | None = None) -> Series:
    phantoms.write_ct(folder, body() if hu is None else hu, AFFINE, edit=edit)
    return only(scan(folder))


def refused(series: Series) -> UnsuitableError:
    with pytest.raises(UnsuitableError, match=r"^expected ") as found:
        read_volume(series)
    return found.value


def codes(volume: CtVolume) -> list[str]:
    return [note.code for note in volume.notes]


NO_INTERCEPT = removing("RescaleIntercept")
# hu + 1024 without intercept, and what else is wrong; all must be read as they were
MENDED: dict[str, tuple[phantoms.Edit, str]] = {
    "intercept lost": (stored_as(lambda hu: hu + 1024), "missing_intercept"),
    "intercept lost, 1000": (stored_as(lambda hu: hu + 1000, "<i2"), "missing_intercept"),
    "intercept of 0": (stored_as(lambda hu: hu + 1024, RescaleIntercept=0), "missing_intercept"),
    "intercept twice": (stored_as(lambda hu: hu, "<i2", RescaleIntercept=-1024), "missing_intercept"),
    "negative values as unsigned": (stored_as(lambda hu: hu % 65536, RescaleIntercept=0), "signedness"),
    "left aligned": (
        stored_as(lambda hu: (hu + 1024) << 4, RescaleIntercept=-1024, BitsStored=12, HighBit=15),
        "left_aligned",
    ),
    "left aligned, signed": (
        stored_as(lambda hu: np.clip(hu, -2048, 2047) << 4, "<i2", RescaleIntercept=0, BitsStored=12),
        "left_aligned",
    ),
    "High Bit is wrong": (
        stored_as(lambda hu: hu + 1024, RescaleIntercept=-1024, BitsStored=12, HighBit=15), "high_bit",
    ),
    "High Bit is wrong, signed": (
        stored_as(lambda hu: hu, "<i2", RescaleIntercept=0, BitsStored=12, HighBit=15), "high_bit",
    ),
    "High Bit is too low": (
        stored_as(lambda hu: hu + 1024, RescaleIntercept=-1024, BitsStored=16, HighBit=11), "high_bit",
    ),
    "some intercepts missing": (some(NO_INTERCEPT, lambda k: 8 <= k < 14), "missing_intercept"),
    "most intercepts missing": (some(NO_INTERCEPT, lambda k: k > 2), "missing_intercept"),
    "every other intercept missing": (some(NO_INTERCEPT, lambda k: k % 2 > 0), "missing_intercept"),
    "some intercepts 0": (
        some(stored_as(lambda hu: hu + 1024, "<i2", RescaleIntercept=0), lambda k: k > 20),
        "missing_intercept",
    ),
    "some slices in HU without intercept": (
        some(stored_as(lambda hu: hu, "<i2"), lambda k: k > 20), "missing_intercept",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MENDED)
def test_what_is_certain_is_mended_with_a_flag(tmp_path: Path, case: str) -> None:
    edit, code = MENDED[case]
    original = np.minimum(body(), 2047)
    if code == "left_aligned":
        original = np.minimum(original, 1000)
    volume = read_volume(written(tmp_path, edit, original))
    assert codes(volume) == [code]
    assert np.array_equal(volume.hu, original)


def test_padding_stays_air_where_all_values_are_moved(tmp_path: Path) -> None:
    def change(hu: np.ndarray) -> np.ndarray:
        stored = hu + 1024
        stored[:300] = 63536
        return stored

    volume = read_volume(written(tmp_path, stored_as(change, PixelPaddingValue=63536)))
    assert codes(volume) == ["missing_intercept"]
    assert np.unique(volume.hu.reshape(64 * 64, -1, order="F")[:300]).tolist() == [-1024]


@pytest.mark.real_data
@pytest.mark.parametrize("case", ["intercept lost", "left aligned", "some intercepts missing"])
def test_a_real_ct_is_mended(tmp_path: Path, case: str) -> None:
    hu = abdomen()[::4, ::4, 20:60]
    volume = read_volume(written(tmp_path, MENDED[case][0], hu))
    assert codes(volume) == [MENDED[case][1]]
    assert np.array_equal(volume.hu, hu)


NO_HU = {
    "inverted": "not_hounsfield",
    "inverted, 12 bits": "not_hounsfield",
    "moved up 4 bits": "not_hounsfield",
    "slope halved": "not_hounsfield",
    "window to 8 bits": "windowed",
    "whole range to 8 bits": "windowed",
}


@pytest.mark.parametrize("fault", NO_HU)
def test_what_is_not_hounsfield_units_is_refused(tmp_path: Path, fault: str) -> None:
    edit = stored_as(FAULTS[fault][0], "<i2", RescaleIntercept=0)
    assert refused(written(tmp_path, edit)).code == NO_HU[fault]


def test_an_unusual_offset_is_refused(tmp_path: Path) -> None:
    found = refused(written(tmp_path, stored_as(lambda hu: hu + 9216, RescaleIntercept=0)))
    assert found.code == "not_hounsfield"
    assert "92" in str(found)


def test_values_without_intercept_and_without_air_are_refused(tmp_path: Path) -> None:
    found = refused(written(tmp_path, stored_as(lambda hu: np.maximum(hu, 0) * 3 // 5)))
    assert found.code == "missing_intercept"


@pytest.mark.parametrize(
    ("fault", "code"),
    [("map of a material", "not_hounsfield"), ("window in HU", "windowed")],
)
def test_what_may_be_hounsfield_units_is_flagged(tmp_path: Path, fault: str, code: str) -> None:
    edit = stored_as(FAULTS[fault][0], "<i2", RescaleIntercept=0)
    assert codes(read_volume(written(tmp_path, edit))) == [code]


def test_hounsfield_units_without_intercept_are_read_without_a_flag(tmp_path: Path) -> None:
    series = written(tmp_path, stored_as(lambda hu: hu, "<i2"))
    assert "no RescaleIntercept" in series.warnings[0]
    assert read_volume(series).notes == ()


def test_an_image_that_shows_nothing_is_flagged_where_no_intercept_is_given(tmp_path: Path) -> None:
    inside = np.clip(body(), -300, 300) + (np.indices(body().shape)[0] * 9).astype(np.int16)
    found = codes(read_volume(written(tmp_path, stored_as(lambda hu: hu, "<i2"), inside)))
    # It is cut off below, too
    assert found == ["missing_intercept", "windowed"]


def test_slices_without_intercept_that_fit_no_neighbour_are_refused(tmp_path: Path) -> None:
    other = stored_as(lambda hu: hu * 0 + np.arange(hu.size) % 900 + 300)
    found = refused(written(tmp_path, some(other, lambda k: k == 9)))
    assert found.code == "missing_intercept"


def test_bits_above_and_below_the_value_are_refused(tmp_path: Path) -> None:
    edit = stored_as(lambda hu: (hu + 1024) * 16 + 5, RescaleIntercept=-1024, BitsStored=12, HighBit=15)
    assert refused(written(tmp_path, edit)).code == "high_bit"


def test_intercepts_that_differ_slice_by_slice_are_meant(tmp_path: Path) -> None:
    def edit(dataset: Dataset, k: int) -> None:
        stored = np.frombuffer(dataset.PixelData, "<i2").astype(np.int64) - 1024
        slope, intercept = 1 + k % 3, -1024 - 700 * (k % 4)
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, intercept
        dataset.PixelData = ((stored - intercept) // slope).astype("<i2").tobytes()

    volume = read_volume(written(tmp_path, edit))
    assert volume.notes == ()
    assert np.abs(volume.hu.astype(int) - body()).max() <= 2


def test_a_series_without_faults_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[Path] = []

    def counted(path: Path, *others: Any) -> np.ndarray:
        decoded.append(path)
        return decode(path, *others)

    decode = operators.dicom.pixels.decoding.decode
    monkeypatch.setattr(operators.dicom.pixels.volume_reader, "decode", counted)
    volume = read_volume(written(tmp_path, lambda *_: None))
    assert volume.notes == ()
    assert len(decoded) == len(set(decoded)) == body().shape[2]
