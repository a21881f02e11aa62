"""Reads the pixels of a series as the type of image that it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from pydicom.dataset import Dataset

from operators.dicom.elements.attributes import hint
from operators.dicom.headers.series import Series
from operators.dicom.pixels.projection_reader import read_projection
from operators.dicom.pixels.volume_reader import read_volume
from operators.geometry.projection import Image
from operators.geometry.value_notes import GROWTH_PLATES, Note

# By this age the growth plates of the limbs are closed (Scheuer & Black, Developmental Juvenile Osteology,
# 2000)
GROWN_YEARS = 20
# PS3.5 6.2, AS and DA
_AGE, _DATE = re.compile(r"(\d{3})([DWMY])"), re.compile(r"\d{8}")
_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


def read_image(series: Series) -> Image:
    """Returns a radiograph as a Projection, slices as a CtVolume. Raises UnreadableError, UnsuitableError."""
    if series.is_projection:
        return read_projection(series)
    volume = read_volume(series)
    return replace(volume, notes=(*volume.notes, *growth_notes(series.header)))


def growth_notes(header: Dataset) -> Iterator[Note]:
    """Yields a note on a patient whose growth plates may be open: networks can take them for fractures."""
    years = age_years(header)
    if years is not None and years < GROWN_YEARS:
        text = f"Patient younger than {GROWN_YEARS} years: an open growth plate can be shown as a fracture."
        yield Note(GROWTH_PLATES, text)


def age_years(header: Dataset) -> float | None:
    """Returns the age at the examination, as stated or from the dates; None if neither can be read."""
    age = _AGE.fullmatch(hint((header,), "PatientAge"))
    if age:
        return int(age[1]) / _PER_YEAR[age[2]]
    dates = [hint((header,), keyword) for keyword in ("PatientBirthDate", "StudyDate")]
    born, examined = (int(date) if _DATE.fullmatch(date) else None for date in dates)
    return None if born is None or examined is None else (examined - born) // 10_000
