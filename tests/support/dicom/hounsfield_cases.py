"""A small body in air, available real CTs, and faults of a CT's values."""

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.intensities.finding import Kind
from training.phantoms.ct import phantom_ct

Hu = NDArray[np.int16]
Fault = Callable[[NDArray[np.int64]], NDArray[np.int64]]
SHARED = Path(__file__).parents[4] / "shared" / "data"
SHAPE = (64, 64, 30)

# Each fault with the kind and offset that must be found in an image with it
FAULTS: dict[str, tuple[Fault, Kind, int]] = {
    "intercept lost, 1024": (lambda hu: np.maximum(hu + 1024, 0), Kind.OFFSET, 1024),
    "intercept lost, 1000": (lambda hu: np.maximum(hu + 1000, 0), Kind.OFFSET, 1000),
    "intercept lost, signed": (lambda hu: hu + 1024, Kind.OFFSET, 1024),
    "intercept twice, 1024": (lambda hu: hu - 1024, Kind.OFFSET, -1024),
    "intercept twice, 1000": (lambda hu: hu - 1000, Kind.OFFSET, -1000),
    "inverted, 12 bits": (lambda hu: 4095 - np.clip(hu + 1024, 0, 4095), Kind.INVERTED, 0),
    "inverted": (lambda hu: -hu, Kind.INVERTED, 0),
    "moved up 4 bits": (lambda hu: np.clip((hu + 1024) * 16, 0, 32767), Kind.SCALED, 0),
    "moved up 4 bits, intercept": (lambda hu: np.clip((hu + 1024) * 16 - 1024, 0, 32767), Kind.SCALED, 0),
    "slope halved": (lambda hu: hu // 2, Kind.SCALED, 0),
    "slope tripled": (lambda hu: hu * 3 + hu % 3, Kind.SCALED, 0),
    "window to 8 bits": (lambda hu: np.clip((hu + 200) * 255 // 1000, 0, 255), Kind.EIGHT_BITS, 0),
    "whole range to 8 bits": (lambda hu: np.clip((hu + 1000) * 255 // 3000, 0, 255), Kind.EIGHT_BITS, 0),
    "window in HU": (lambda hu: np.clip(hu, -200, 800), Kind.CUT_OFF, 0),
    "map of a material": (lambda hu: np.maximum(hu, 0) * 3 // 5, Kind.NO_NEGATIVE, 0),
}


@cache
def body() -> Hu:
    """Returns a cylinder of fat with muscle and a hollow bone, on a table, in air; noise of 12 HU."""
    i, j, _ = np.indices(SHAPE)
    radius = np.hypot(i - 32, (j - 30) * 1.2)
    hu = np.full(SHAPE, -1000.0)
    hu[radius < 24] = -100
    hu[radius < 17] = 50
    hu[np.hypot(i - 38, j - 30) < 5] = 900
    hu[np.hypot(i - 38, j - 30) < 2] = -40
    noise = np.random.default_rng(0).normal(0, 12, SHAPE)
    made = np.clip(np.rint(hu + noise), -1024, 3071).astype(np.int16)
    made.setflags(write=False)
    return made


@cache
def phantom() -> Hu:
    """Returns the demo's phantom at a coarse spacing."""
    return np.asarray(phantom_ct(np.random.default_rng(1), spacing_mm=(3.0, 3.0, 3.0)).ct.hu, np.int16)


@cache
def abdomen() -> Hu:
    """Returns a real CT with contrast medium, from lower chest to ischia."""
    (series,) = (each for each in scan(SHARED / "real_ct" / "abdomen_pelvis_5mm").series if each.grid)
    return np.asarray(read_volume(series).hu, np.int16)


def real_series() -> Iterator[Path]:
    """Yields folders of real series; with OSTEON_TEST_VOLUMES also those that take seconds to decode."""
    folders = sorted(path for path in (SHARED / "real_ct").iterdir() if path.is_dir())
    yield from folders if os.environ.get("OSTEON_TEST_VOLUMES") else folders[3:]
    yield SHARED / "dicom" / "siemens_ct_thorax_20"
    yield SHARED / "dicom" / "ge_ct_head_tilted"


def real_volumes() -> Iterator[Path]:
    """Yields real scans and single bones in other formats than DICOM."""
    bones = sorted((SHARED / "pelvis").glob("*/*_[A-Z][A-Z].nii.gz"))
    yield from bones if os.environ.get("OSTEON_TEST_VOLUMES") else bones[4:7:2]
    yield SHARED / "leg_ct" / "visible_human_female_knee.nii.gz"
    yield from sorted((SHARED / "head_neck_ct").glob("*.nii.gz"))


def load(path: Path) -> Hu:
    """Reads the values of a NIfTI file."""
    return np.rint(nib.load(path).get_fdata(dtype=np.float32)).astype(np.int16)
