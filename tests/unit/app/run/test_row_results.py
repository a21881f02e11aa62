"""Results on bones in a row: their order and codes in the SEG, and their table in the HTML report."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import dcmread

from app.run.html.row_content import level_rows_of
from app.run.html.writer import write_page
from app.run.record import SeriesRecord
from operators.dicom.seg.seg_writer import write_seg
from operators.segmentation.measurements import BodyHeights, HeightLoss, Measured, VertebralBody
from operators.segmentation.segmentation import Segmentation
from tests.support.bones.synthetic_spine import USUAL, MadeSpine, SpineNetworks, segmented
from tests.support.dicom.seg_cases import MADE_AT, provenance, series

SPINE = MadeSpine((*USUAL[-7:-5], "vertebra_T13", *USUAL[-5:-3]))
LOW = VertebralBody(
    BodyHeights(Measured(17.0), Measured(21.0), Measured(24.0)),
    HeightLoss(0.31, 2, "wedge", (1,)),
    Measured(81.0),
)


@pytest.fixture(scope="module")
def made() -> Segmentation:
    """Five bones, of which the fourth has measurements and the first is cut off."""
    ct = SPINE.part("vertebra_T12", "vertebra_L2", 16.0)
    found = segmented(ct, SpineNetworks(SPINE))
    rows = (replace(row, vertebral_body=LOW) if row.value == 31 else row for row in found.measurements)
    return replace(found, measurements=tuple(rows))


def test_segments_are_in_order_from_the_top_with_their_codes(made: Segmentation, tmp_path: Path) -> None:
    path = write_seg(made, provenance(made, series(made.label_map.grid)), tmp_path / "segmentation.dcm")
    segments = dcmread(path).SegmentSequence
    assert [each.SegmentLabel for each in segments] == [
        f"{level} vertebra" for level in ("T11", "T12", "T13", "L1", "L2")
    ]
    types = [each.SegmentedPropertyTypeCodeSequence[0].CodeValue for each in segments]
    assert types == ["12989004", "23215003", "51282000", "66794005", "14293000"]
    (region,) = segments[2].AnatomicRegionSequence
    assert (region.CodeValue, region.CodeMeaning) == ("122495006", "Thoracic spine structure")


def test_the_report_has_a_row_for_each_bone(made: Segmentation) -> None:
    rows = level_rows_of(made)
    assert [row.name for row in rows] == [f"{level} vertebra" for level in ("T11", "T12", "T13", "L1", "L2")]
    low = rows[3]
    assert (low.heights, low.loss, low.grade, low.density) == (
        "17.0, 21.0, 24.0 mm",
        "31%",
        "2 (wedge)",
        "81 HU (low)",
    )
    assert re.fullmatch(r"L1 vertebra (over )?\d+%", low.probability)
    assert low.runner_up.startswith("L")
    assert (rows[1].heights, rows[1].loss, rows[1].grade, rows[1].density) == ("–", "–", "–", "–")
    assert "Bone cut by the field of view" in rows[0].flags


def test_the_page_shows_the_table_where_there_are_levels(made: Segmentation, tmp_path: Path) -> None:
    record = SeriesRecord("1.2.1", "1.2.2", "", "CT", 60, "selected", "segmented", segmentation=made)
    text = write_page(record, tmp_path / "report.html", [], MADE_AT, "0.1.0").read_text(encoding="utf-8")
    assert "Bones in a row" in text
    assert "2 (wedge)" in text
    plain = replace(made, segments=tuple(replace(each, level=None) for each in made.segments))
    text = write_page(
        replace(record, segmentation=plain), tmp_path / "plain.html", [], MADE_AT, "0.1.0"
    ).read_text(encoding="utf-8")
    assert "Bones in a row" not in text
