"""A CT of a patient who still grows says that growth plates can be shown as fractures."""

from __future__ import annotations

import pytest
from pydicom.dataset import Dataset

from operators.dicom.pixels.image_reader import age_years, growth_notes
from operators.geometry.value_notes import VALUE_MEANINGS


def header(**values: str) -> Dataset:
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


@pytest.mark.parametrize(
    ("values", "years"),
    [
        ({"PatientAge": "012Y"}, 12),
        ({"PatientAge": "018M"}, 1.5),
        ({"PatientAge": "", "PatientBirthDate": "20140612", "StudyDate": "20260611"}, 11),
        ({"PatientBirthDate": "20140612", "StudyDate": "20260612"}, 12),
        ({"PatientBirthDate": "20140612"}, None),
        ({"PatientAge": "12"}, None),
        ({}, None),
    ],
)
def test_the_age_is_that_of_the_header_or_of_its_dates(values: dict[str, str], years: float | None) -> None:
    assert age_years(header(**values)) == years


@pytest.mark.parametrize(("age", "notes"), [("009Y", 1), ("019Y", 1), ("020Y", 0), ("", 0)])
def test_only_those_who_grow_have_a_note_and_it_does_not_state_the_age(age: str, notes: int) -> None:
    found = list(growth_notes(header(PatientAge=age)))
    assert len(found) == notes
    assert all(note.code in VALUE_MEANINGS and str(int(age[:3])) not in note.text for note in found)
