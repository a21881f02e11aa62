"""Nonconforming headers: what results copy of them conforms, and what was changed is said."""

from __future__ import annotations

from pathlib import Path

import pytest
from highdicom._standard_utils import get_iod_module_map, get_module_attribute_map, get_sop_class_iod_map
from pydicom import dcmread
from pydicom.datadict import dictionary_VR
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from operators.dicom.provenance.conforming import (
    KEPT,
    OTHERWISE_DECODED,
    REPLACED,
    REWRITTEN,
    conforming_header,
    sentences,
)
from operators.dicom.provenance.copied_attributes import COPIED_ATTRIBUTES, Otherwise
from operators.dicom.seg.seg_check import check_seg
from operators.dicom.seg.seg_writer import write_seg
from tests.support.dicom.bad_values import (
    BAD_VALUES,
    CHARACTER_SETS,
    BadValue,
    header_with,
    series_with,
)
from tests.support.dicom.seg_cases import blobs, bone, grid, provenance, segmentation

# What is kept although it is too long is warned of by pydicom, which quotes only lengths
pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*exceeds the maximum:UserWarning"),
]
ROWS = {row.keyword: row for row in COPIED_ATTRIBUTES}
MADE = segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2))
# All that may be said beside keywords: nothing of any value
NOTES = (REWRITTEN, KEPT, REPLACED, OTHERWISE_DECODED, *(each.value for each in Otherwise))


def test_the_table_has_every_attribute_that_highdicom_copies() -> None:
    modules = get_iod_module_map()[get_sop_class_iod_map()[CTImageStorage]]
    copied = {
        str(item["keyword"])
        for module in modules
        if module["ie"] in ("Patient", "Study")
        for item in get_module_attribute_map()[module["key"]]
        if not item["path"]
    }
    plain = {keyword for keyword in copied if dictionary_VR(keyword) != "SQ"}
    assert plain - set(ROWS) == set()


@pytest.mark.parametrize("name", CHARACTER_SETS)
def test_no_character_set_costs_a_result(tmp_path: Path, name: str) -> None:
    bad = BadValue("Latin-1", None, b"M\xfcller")
    header = header_with(bad, "PatientName", "StudyDescription", character_set=CHARACTER_SETS[name])
    of = series_with(header)
    path = write_seg(MADE, provenance(MADE, of), tmp_path / "seg.dcm")
    check_seg(path, MADE, of)
    written = dcmread(path)
    assert written.SpecificCharacterSet == "ISO_IR 192"
    assert str(written.PatientName)
    assert "\x1b" not in str(written.PatientName)


@pytest.mark.parametrize(
    ("character_set", "content", "expected", "is_said"),
    [
        (b"ISO_IR 100", "Müller".encode("latin-1"), "Müller", False),
        (b"ISO IR 100", "Müller".encode("latin-1"), "Müller", True),
        (b"ISO_IR 144", "Анна".encode("iso8859_5"), "Анна", False),
        (b"ISO_IR 999", "Анна".encode(), "Анна", True),
        (b"", "Анна".encode(), "Анна", True),
        (b"ISO_IR 192", "Müller".encode("latin-1"), "M\ufffdller", True),
        (b"ISO_IR 100", b"O\x92Brien", "O\u2019Brien", True),
        (b"\\ISO 2022 IR 149", b"Hong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong=洪^吉洞", False),
        (b"\\ISO 2022 IR 87", b"A\x1b$)C\xfb\xf3", "A\ufffd$)C\xfb\xf3", True),
    ],
)  # fmt: skip
def test_a_name_is_decoded_by_its_own_character_set_or_by_a_likely_one(
    character_set: bytes, content: bytes, expected: str, is_said: bool
) -> None:
    found = conforming_header(
        header_with(BadValue("", None, content), "PatientName", character_set=character_set)
    )
    assert str(found.dataset.PatientName) == expected
    assert bool(found.notes) == is_said


@pytest.mark.parametrize(
    ("keyword", "content", "expected"),
    [
        ("PatientBirthDate", b"1970.01.02", "19700102"),
        ("PatientBirthDate", b"1970-1-2", "19700102"),
        ("PatientBirthDate", b"02.01.1970", ""),
        ("PatientBirthDate", b"19700100", ""),
        ("StudyTime", b"10:11:12.5", "101112.5"),
        ("StudyTime", b"10:11 PM", ""),
        ("PatientSex", b"f", "F"),
        ("PatientSex", b"W", ""),
        ("PatientAge", b"56y", "056Y"),
        ("PatientAge", b"56", None),
        ("PatientWeight", b"70,5", "70.5"),
        ("PatientWeight", b"70 kg", None),
        ("PatientWeight", b"1.23456789012345678", "1.23456789012346"),
        ("LossyImageCompressionRatio", b"10:1", None),
        ("PatientID", b"P" * 80, "P" * 80),
        ("PatientID", b"P\x1b[31m", ""),
        ("AccessionNumber", b"2026-01-02-CT-00017", "2026-01-02-CT-00017"),
        ("ReferringPhysicianName", b"R" * 80, ""),
        ("StudyDescription", b"D" * 80, None),
        ("Laterality", b"left", None),
        ("ImageLaterality", b"r", "R"),
    ],
)
def test_what_is_done_with_a_bad_value(keyword: str, content: bytes, expected: str | None) -> None:
    found = conforming_header(header_with(BadValue("", None, content), keyword))
    assert (str(found.dataset[keyword].value) if keyword in found.dataset else None) == expected
    (said,) = sentences(found.notes)
    assert said in {f"the source's header does not conform: {keyword}: {note}" for note in NOTES}


def test_an_item_with_a_bad_value_is_left_out_and_the_others_stay() -> None:
    header, good, bad = header_with(BAD_VALUES[0]), Dataset(), Dataset()
    good.PatientID, good.TypeOfPatientID = "X1", "TEXT"
    bad.PatientID = "X2\x07"
    header.OtherPatientIDsSequence = [good, bad]
    found = conforming_header(header)
    assert [item.PatientID for item in found.dataset.OtherPatientIDsSequence] == ["X1"]
    assert "OtherPatientIDsSequence" in sentences(found.notes)[0]


def test_nothing_is_said_of_a_header_in_which_nothing_is_odd() -> None:
    assert conforming_header(header_with(BAD_VALUES[0])).notes == ()
