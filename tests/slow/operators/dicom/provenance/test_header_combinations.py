"""Every attribute of a header with every bad value: what is copied of it conforms and can be written."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.config import RAISE
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import validate_value

from operators.dicom.elements.attributes import is_uid
from operators.dicom.provenance.conforming import (
    KEPT,
    conforming_header,
)
from operators.dicom.provenance.copied_attributes import COPIED_ATTRIBUTES, EQUIPMENT, Otherwise
from operators.dicom.provenance.source_headers import COPIED, slice_headers
from operators.dicom.seg.seg_check import check_seg
from operators.dicom.seg.seg_writer import write_seg
from tests.support.dicom.bad_values import (
    BAD_VALUES,
    KEYWORDS,
    BadValue,
    combinations,
    header_with,
    series_with,
)
from tests.support.dicom.result_cases import results, two_fragments
from tests.support.dicom.seg_cases import blobs, bone, grid, provenance, segmentation

# What is kept although it is too long is warned of by pydicom, which quotes only lengths
pytestmark = [
    pytest.mark.filterwarnings("error"),
    pytest.mark.filterwarnings("ignore:.*exceeds the maximum:UserWarning"),
]
EVERY = {"seg.dcm", "labelmap.dcm", "sr.dcm", "rtstruct.dcm", "sc/1.dcm", "kos.dcm"}
ROWS = {row.keyword: row for row in COPIED_ATTRIBUTES}
MADE = segmentation(blobs(), grid(), bone(11, fragment=1), bone(12, fragment=2))
PLACES = ("FrameOfReferenceUID", "ImageOrientationPatient", "PixelSpacing", "SliceThickness")
# A SEG for each of the combinations: minutes
IS_EVERY_SEG_WRITTEN = bool(os.environ.get("OSTEON_TEST_HEADERS"))


def test_every_attribute_times_every_bad_value_leaves_a_header_that_conforms(tmp_path: Path) -> None:
    tried = 0
    for keyword, bad in combinations():
        header = header_with(bad, keyword)
        before = {tag: header.get_item(tag) for tag in list(header.keys())}
        found = conforming_header(header)
        assert {tag: header.get_item(tag) for tag in list(header.keys())} == before
        for element in found.dataset:
            if element.VR != "SQ" and (element.keyword, KEPT) not in found.notes:
                assert_conforms(element.keyword, element.VR, element.value)
        if keyword not in found.dataset or found.dataset[keyword].is_empty:
            assert (keyword in found.dataset) == (ROWS[keyword].otherwise is Otherwise.EMPTY), (keyword, bad)
        assert_written(keyword, header, found.dataset, tmp_path)
        tried += 1
    assert tried == len(KEYWORDS) * len(BAD_VALUES) > 6000


def assert_conforms(keyword: str, vr: str, value: object) -> None:
    for each in value if isinstance(value, MultiValue) else [value]:
        text = str(each)
        if vr == "PN":
            assert all(len(group) <= 64 for group in text.split("="))
        elif vr == "UI":
            assert is_uid(text)  # leading zeros, which scanners write, are let through
        elif vr not in ("US", "FD"):
            validate_value(vr, text, RAISE)
        assert not set(text) & {"\0", "\x1b"}, keyword
    allowed = ROWS[keyword].allowed
    assert not allowed or value in (*allowed, "")


def assert_written(keyword: str, header: Dataset, own: Dataset, folder: Path) -> None:
    """What the results take of a header can be written; with OSTEON_TEST_HEADERS as a whole SEG."""
    if IS_EVERY_SEG_WRITTEN:
        of = series_with(header)
        check_seg(write_seg(MADE, provenance(MADE, of), folder / "seg.dcm"), MADE, of)
        return
    taken = Dataset()
    if keyword in (*EQUIPMENT, *COPIED, *PLACES):
        taken = slice_headers(series_with(header), own, grid())[0]
    if keyword in own:
        taken[keyword] = own[keyword]
    taken.SpecificCharacterSet = "ISO_IR 192"
    taken.save_as(BytesIO(), implicit_vr=False, little_endian=True)


@pytest.mark.parametrize("bad", BAD_VALUES[:: 1 if IS_EVERY_SEG_WRITTEN else 4], ids=lambda bad: bad.name)
def test_with_one_bad_value_everywhere_every_result_is_written_and_verified(
    tmp_path: Path, bad: BadValue
) -> None:
    of = series_with(header_with(bad, *KEYWORDS))
    assert set(results(tmp_path, two_fragments(of), of)) == EVERY
