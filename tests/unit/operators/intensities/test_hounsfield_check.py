"""The check of an image's values finds every fault, and accepts real Hounsfield units."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.intensities.finding import Finding, Kind
from operators.intensities.hounsfield_check import check_values
from operators.intensities.tissue_peaks import SAMPLE_VOXELS, find_peaks, histogram
from tests.support.dicom.hounsfield_cases import (
    FAULTS,
    SHAPE,
    Hu,
    abdomen,
    body,
    load,
    phantom,
    real_series,
    real_volumes,
)

QUIET = (Kind.PROVED, Kind.UNKNOWN)
NOISE = np.random.default_rng(3).normal(0, 1, SHAPE)
BONE = np.indices(SHAPE)[0] < 20


def checked(hu: np.ndarray) -> Finding:
    return check_values(histogram(np.clip(np.rint(hu), -32768, 32767).astype(np.int16)))


def with_padding(hu: NDArray[Any], value: int) -> NDArray[Any]:
    padded = hu.copy()
    padded[:20] = value
    return padded


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("image", [body, phantom])
def test_every_fault_is_found(image: Callable[[], Hu], fault: str) -> None:
    change, kind, offset = FAULTS[fault]
    found = checked(change(image().astype(np.int64)))
    assert (found.kind, found.offset) == (kind, offset)


@pytest.mark.real_data
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_found_in_a_real_ct(fault: str) -> None:
    change, kind, offset = FAULTS[fault]
    found = checked(change(abdomen().astype(np.int64)))
    assert (found.kind, found.offset) == (kind, offset)


@pytest.mark.parametrize("image", [body, phantom])
def test_hounsfield_units_are_proved(image: Callable[[], Hu]) -> None:
    assert checked(image()).kind is Kind.PROVED


@pytest.mark.parametrize(
    "hu",
    [
        with_padding(body(), -2000),
        with_padding(body(), -3024),
        with_padding(body(), -1024),
        body() + 60 * NOISE,
        np.where(NOISE > 2.5, 3071, body()),
        np.where(body() > 200, body(), 0),
        np.where(body() > 200, body(), -1000) + 15 * NOISE,
        with_padding(np.where(body() > 200, body(), -1000) + 15 * NOISE, -2048),
        body()[24:40, 22:38],
        np.where(BONE, 1000, 0) + 120 * NOISE,
        20 * NOISE,
        np.zeros(SHAPE),
        np.full(SHAPE, -1024),
        np.where(BONE, 1100, 0),
    ],
    ids=[
        "padding of -2000", "padding of -3024", "air cut off", "sharp kernel", "metal everywhere",
        "bone by itself", "dry bone in air", "dry bone and padding", "inside the body", "bone in water",
        "water", "nothing", "air", "two values",
    ],
)  # fmt: skip
def test_nothing_is_said_against_hounsfield_units(hu: np.ndarray) -> None:
    assert checked(hu).kind in QUIET
    assert not checked(hu).cut


@pytest.mark.parametrize("ceiling", [255, 300, 600])
def test_values_cut_off_above_are_told_although_the_others_are_right(ceiling: int) -> None:
    found = checked(np.minimum(phantom(), ceiling))
    assert (found.kind, found.cut) == (Kind.PROVED, f"all values above {ceiling} are clipped")


@pytest.mark.parametrize("floor", [-500, -200])
def test_values_cut_off_below_are_told(floor: int) -> None:
    found = checked(np.maximum(phantom(), floor))
    said = found.cut or found.evidence
    assert found.kind in (Kind.PROVED, Kind.CUT_OFF)
    assert said == f"all values below {floor} are clipped"


@pytest.mark.real_data
@pytest.mark.parametrize("ceiling", [255, 600, 1000, 1023])
def test_bone_cut_off_in_a_real_ct_is_told(ceiling: int) -> None:
    assert checked(np.minimum(abdomen(), ceiling)).cut == f"all values above {ceiling} are clipped"


@pytest.mark.real_data
def test_nothing_is_said_against_any_real_ct_at_hand() -> None:
    found = {path.name: checked(load(path)).kind for path in real_volumes()}
    for folder in real_series():
        for number, series in enumerate(each for each in scan(folder).series if each.grid):
            volume = read_volume(series)
            found[f"{folder.name} {number}"] = checked(volume.hu).kind
            assert volume.notes == ()
    assert len(found) >= 19
    assert set(found.values()) == set(QUIET)
    assert sum(kind is Kind.PROVED for kind in found.values()) >= 17


@pytest.mark.real_data
def test_parts_of_a_real_ct_by_themselves_are_not_doubted() -> None:
    hu = abdomen()
    third = tuple(slice(n // 3, 2 * n // 3) for n in hu.shape)
    bone = np.where(hu > 200, hu, 0)
    for image in (hu[third], bone, bone[third], np.where(hu > 200, hu, -1000), np.where(hu > 3000, 0, hu)):
        assert checked(image).kind in QUIET


def test_few_voxels_say_nothing() -> None:
    assert checked(body()[:30, :30, :20] + 1024).kind is Kind.UNKNOWN


def test_a_large_volume_is_sampled() -> None:
    assert histogram(np.zeros((200, 200, 200), np.int16)).voxels <= SAMPLE_VOXELS


def test_no_value_leaves_the_histogram() -> None:
    found = histogram(np.array([-32768, 32767, 0], np.int16))
    assert (found.lowest, found.highest, found.voxels, found.at(0)) == (-32768, 32767, 3, 1 / 3)
    assert [peak.value for peak in find_peaks(found)] == [-32768, 0, 32767]
