"""report.json holds the outcome of every series and no patient data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.run.record import SeriesRecord, StageRecord
from app.run.report import report, write_report
from operators.errors import OutputError
from operators.packages.seen import NOT_SEEN, SEGMENTED, PackageOutcome, SeenStructure
from operators.segmentation.segmentation import Contact
from tests.support.dicom.seg_cases import MADE_AT, blobs, bone, grid, segmentation


def records() -> list[SeriesRecord]:
    made = segmentation(blobs(), grid(), bone(11), bone(12, fragment=1))
    return [
        SeriesRecord(
            "1.2.1",
            "1.2.2",
            "",
            "CT",
            7,
            "selected",
            "A CT that is read.",
            ("One slice is missing.",),
            made,
            {"seg": ("seg.dcm",)},
            "2.25.7",
            (StageRecord("anatomy", 1.23456, 812.34),),
        ),
        SeriesRecord("1.2.1", "1.2.3", "", "CT", 1, "too_few_slices", "Expected 16 slices or more, got 1."),
    ]


def content() -> dict[str, Any]:
    versions = {"osteon": "0.1.0"}
    return report(records(), made_at=MADE_AT, software_versions=versions, exit_code=0)


def test_every_series_has_a_decision_a_code_and_a_sentence() -> None:
    selected, refused = content()["series"]
    assert (selected["decision"], selected["warnings"]) == ("selected", ["One slice is missing."])
    assert (refused["decision"], refused["code"]) == ("refused", "too_few_slices")
    assert refused["sentence"].startswith("Expected 16 slices")
    assert refused["segments"] == []


def test_what_was_seen_and_which_packages_were_run_is_listed() -> None:
    first, refused = records()
    seen = SeenStructure("rib", 0.91234, 12.345, (-10.04, 0.0, 5.0), (20.0, 30.0, 40.0))
    outcomes = (
        PackageOutcome("bones", "1.2.3", SEGMENTED),
        PackageOutcome("limbs", "0.7.0", NOT_SEEN, "no limbs found"),
    )
    assert first.segmentation is not None
    looked = replace(first, segmentation=replace(first.segmentation, seen=(seen,), outcomes=outcomes))
    one, other = report([looked, refused], made_at=MADE_AT, software_versions={}, exit_code=0)["series"]
    assert one["seen"] == [
        {
            "structure": "rib",
            "network_mean": 0.9123,
            "volume_ml": 12.3,
            "box_mm": [[-10.0, 0.0, 5.0], [20.0, 30.0, 40.0]],
        }
    ]
    assert [(each["package"], each["state"]) for each in one["packages"]] == [
        ("bones", "segmented"),
        ("limbs", "not seen"),
    ]
    assert (other["seen"], other["packages"]) == ([], [])


def test_every_segment_has_its_codes_volume_and_confidence() -> None:
    intact, fragment = content()["series"][0]["segments"]
    assert intact["type"] == {"value": "29836001", "scheme": "SCT", "meaning": "Hip"}
    assert intact["laterality"]["meaning"] == "Left"
    assert (fragment["fragment"], fragment["volume_ml"], fragment["confidence"]) == (1, 1.0, None)
    assert fragment["network_mean"] == 0.9


def test_a_probability_is_said_only_where_it_was_calibrated() -> None:
    plain, sure = (
        records()[0],
        replace(
            bone(12, fragment=1), bone_probability=0.98, fracture_probability=0.91, fragment_probability=0.7
        ),
    )
    known = replace(segmentation(blobs(), grid(), sure), contacts=(Contact(sure.bone, (1, 2), 0.7),))
    versions = {"osteon": "0.1.0"}
    said, silent = (
        report([record], made_at=MADE_AT, software_versions=versions, exit_code=0)["series"][0]
        for record in (replace(plain, segmentation=known), plain)
    )
    (segment,) = said["segments"]
    assert (segment["bone_probability"], segment["fracture_probability"]) == (0.98, 0.91)
    assert segment["confidence"] == 0.7
    assert said["contacts"] == [{"bone": sure.bone, "fragments": [1, 2], "probability": 0.7}]
    assert "contacts" not in silent
    assert not [key for segment in silent["segments"] for key in segment if "probability" in key]
    assert [segment["confidence"] for segment in silent["segments"]] == [None, None]


def test_models_stages_and_versions_are_named() -> None:
    made = content()
    (model,) = made["models"]
    assert (model["name"], model["version"], model["networks"][0]["sha256"]) == ("bones", "1.2.0", "ab" * 32)
    assert made["series"][0]["stages"] == [{"name": "anatomy", "seconds": 1.235, "peak_rss_mb": 812.3}]
    assert (made["schema"], made["software"]) == ("osteon-report/1", {"osteon": "0.1.0"})


def test_the_file_reads_back_as_the_same_json(tmp_path: Path) -> None:
    path = write_report(content(), tmp_path / "out" / "report.json")
    assert json.loads(path.read_text(encoding="utf-8")) == content()
    assert [entry.name for entry in path.parent.iterdir()] == ["report.json"]


def test_a_report_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match=r"report\.json"):
        write_report(content(), tmp_path / "taken" / "report.json")
