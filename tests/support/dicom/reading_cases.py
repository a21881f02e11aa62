"""A small phantom series, and assertions shared by the tests of reading."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset

from operators.dicom.headers.series import Series
from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import Scan
from tests.support.dicom import phantoms

SHAPE = (8, 6, 10)
# JPEG 2000 needs 32 pixels for its decomposition levels
LARGER = (40, 33, 4)
AFFINE = phantoms.axial_affine()
HU = phantoms.position_volume(SHAPE, AFFINE)
LONG = phantoms.position_volume((8, 6, 40), AFFINE)
DATA = Path(__file__).parents[4] / "shared" / "data" / "dicom"


def only(found: Scan) -> Series:
    (series,) = found.series
    return series


def assert_right_by_value(series: Series, tolerance_hu: float = 0.51) -> None:
    volume = read_volume(series)
    indices = np.moveaxis(np.indices(volume.hu.shape), 0, -1)
    grid = volume.grid.ijk_to_lps
    expected = phantoms.position_hu(indices @ grid[:3, :3].T + grid[:3, 3])
    assert volume.hu.flags.f_contiguous
    assert np.abs(volume.hu - expected).max() < tolerance_hu


def warned(series: Series, text: str) -> bool:
    return any(text in warning for warning in series.warnings)


def setting(**attributes: object) -> phantoms.Edit:
    def edit(dataset: Dataset, _: int) -> None:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return edit


def removing(*keywords: str) -> phantoms.Edit:
    def edit(dataset: Dataset, _: int) -> None:
        for keyword in keywords:
            delattr(dataset, keyword)

    return edit
