"""A real CT of intact bones: nothing less likely than not is shown, and all results state the same number."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, cast

import highdicom
import pytest
from pydicom import dcmread

from operators.measure.flags import WORTH_SAYING
from operators.packages.confidence import LIKELY, percent
from tests.service.test_command_line import osteon

pytestmark = pytest.mark.real_data
CT = Path(__file__).parents[5] / "shared" / "data" / "real_ct" / "abdomen_pelvis_5mm"


@dataclass(frozen=True)
class Results:
    """What a run left in `folder`, and what it printed."""

    folder: Path
    printed: str
    series: dict[str, Any]

    @property
    def segments(self) -> list[dict[str, Any]]:
        """As report.json has them."""
        found: list[dict[str, Any]] = self.series["segments"]
        return found


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Of the CT, its header's body part (COLON) mended."""
    folder = tmp_path_factory.mktemp("abdomen")
    (folder / "in").mkdir()
    for path in sorted(CT.glob("*.dcm")):
        dataset = dcmread(path)
        dataset.BodyPartExamined = "ABDOMEN"
        dataset.save_as(folder / "in" / path.name)
    code, printed = osteon("run", folder / "in", "-o", folder / "out", "--package", "pelvis", COLUMNS="200")
    assert code == 0
    (series,) = json.loads((folder / "out" / "report.json").read_text(encoding="utf-8"))["series"]
    return Results(folder / "out", printed, series)


def test_no_piece_is_shown_that_is_less_likely_than_not(results: Results) -> None:
    assert len({segment["bone"] for segment in results.segments}) == 3
    assert all(segment["confidence"] >= LIKELY for segment in results.segments)
    assert "less likely than not" not in " ".join(results.series["summary"])


def test_a_fracture_that_is_not_shown_is_said(results: Results) -> None:
    for _, group in groupby(results.segments, key=lambda segment: segment["bone"]):
        pieces = list(group)
        (broken,) = {piece["fracture_probability"] for piece in pieces}
        assert len(pieces) == 1, "slices of 5 mm are too coarse to part pieces that touch"
        doubts = [flag for flag in results.series["flags"] if pieces[0]["value"] in flag["segments"]]
        said = [flag["sentence"] for flag in doubts if flag["code"] == "suspected_fracture"]
        whole = [sentence for sentence in said if "no fracture outlined" in sentence]
        assert bool(whole) == (broken >= WORTH_SAYING)
        assert all(percent(broken) in sentence for sentence in whole)


def test_the_bowel_with_contrast_medium_is_left_out_and_said(results: Results) -> None:
    (said,) = [text for text in results.series["warnings"] if "left out" in text]
    assert re.fullmatch(r"Left hip bone: a piece of [89]\.\d ml, 2\d mm from the bone, .*left out\.", said)
    assert said in results.series["summary"]
    assert said in results.printed
    left = sum(segment["volume_ml"] for segment in results.segments if segment["bone"] == "hip_left")
    assert left < 280


def test_screen_page_seg_and_report_state_the_same_confidence(results: Results) -> None:
    expected = {segment["label"]: percent(segment["confidence"]) for segment in results.segments}
    rows = re.findall(r"│ ■ (.+?) +│ +[\d.]+ ml │ +(\S+) │", results.printed)
    assert dict(rows) == expected
    seg = dcmread(results.folder / "segmentation.dcm", stop_before_pixels=True)
    described = {item.SegmentLabel: item.SegmentDescription for item in seg.SegmentSequence}
    assert {label: text.split(", ")[0] for label, text in described.items()} == {
        label: f"Confidence: {said}" for label, said in expected.items()
    }
    assert certainties(results.folder / "measurements.dcm") == list(expected.values())
    assert cells(results.folder / "report.html", 7) == list(expected.values())


def test_page_seg_and_report_state_the_same_probability_of_a_fracture(results: Results) -> None:
    of_bones = {segment["bone"]: percent(segment["fracture_probability"]) for segment in results.segments}
    page = [cell for cell in cells(results.folder / "report.html", 8, headings=True) if cell != "–"]
    assert page == list(of_bones.values())
    seg = dcmread(results.folder / "segmentation.dcm", stop_before_pixels=True)
    assert [item.SegmentDescription.split(": ")[-1] for item in seg.SegmentSequence] == [
        of_bones[segment["bone"]] for segment in results.segments
    ]


def certainties(path: Path) -> list[str]:
    """Certainty of Finding in each segment's group of a structured report."""
    content = cast(
        highdicom.sr.MeasurementReport, highdicom.sr.Comprehensive3DSR.from_dataset(dcmread(path)).content
    )
    found = content.get_volumetric_roi_measurement_groups()
    numbers = [number for group in found for number in group.get_measurements()]
    return [f"{number.value:.0f}{number.unit.value}" for number in numbers if number.name.value == "111012"]


def cells(path: Path, column: int, headings: bool = False) -> list[str]:
    """A column of the page's table, of rows that have a colour, with `headings` of broken bones too."""
    body = path.read_text(encoding="utf-8").split("<tbody>")[1].split("</tbody>")[0]
    rows = re.findall(r"<tr.*?</tr>", body)
    shown = [row for row in rows if headings or "swatch" in row]
    return [re.sub("<.*?>", "", re.findall(r"<t[hd].*?</t[hd]>", row)[column]) for row in shown]
