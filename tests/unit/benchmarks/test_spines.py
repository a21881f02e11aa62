"""The benchmark of bones in a row scores what the image path makes of a made spine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.cases.scan import Scan, scan_of
from benchmarks.spines.cases import read_cases
from benchmarks.spines.measuring import height_error_mm, score
from benchmarks.spines.page import write_page
from operators.segmentation.segmentation import Segmentation
from tests.support.bones.synthetic_bodies import HEIGHT_MM, body_and_arch, row_of_bodies
from tests.support.bones.synthetic_spine import USUAL, MadeSpine, Reading, SpineNetworks, segmented

SPINE = MadeSpine(USUAL[-7:])
NAMES = list(USUAL)


def scan() -> Scan:
    """Four bones and their ground truth."""
    ct = SPINE.part("vertebra_T12", "vertebra_L3")
    heights_mm = (ct.hu - 200.0) / 2
    truth = np.zeros(ct.hu.shape, np.uint8)
    for name, (low, high) in SPINE.places_mm.items():
        if name in NAMES:
            truth[(ct.hu > 100) & (heights_mm > low) & (heights_mm < high)] = NAMES.index(name) + 1
    return scan_of(ct.hu, truth, ct.grid)


def made(reading: Reading) -> Segmentation:
    return segmented(scan().ct, SpineNetworks(SPINE, reading))


def test_a_right_result_scores_and_its_page_says_so(tmp_path: Path) -> None:
    row = score(scan(), NAMES, made(Reading()))
    assert (row["identified"], row["is_right"], row["shifted_unflagged"]) == (1.0, True, 0)
    assert all(bone["dice"] > 0.95 for bone in row["bones"])
    real = {"case": "scan", "shows": ["L1"], "found": ["L1"], "flags": [], "picture": "scan.png"}
    rows, remarks = [{"case": "made", **row}, real], {"scan": "One rib too many."}
    write_page(rows, "made", remarks, tmp_path / "pictures", tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "scan: One rib too many.\n\n![scan](pictures/scan.png)" in page
    assert "| identified (VerSe's rule) | 0.950 | 0.990 | 1.000 |" in page
    assert "| made | 4 | 1.000 | yes | no | 0 | 0 | 0 | 0 |" in page


def test_a_refusal_has_skipped_every_bone() -> None:
    row = score(scan(), NAMES, "anatomy_not_found")
    assert (row["identified"], row["skipped"], row["is_flagged"], row["is_right"]) == (0.0, 4, True, False)


def test_wrong_levels_are_flagged() -> None:
    row = score(scan(), NAMES, made(Reading(shift=2)))
    assert row["shifted_unflagged"] == 0
    assert row["is_flagged"] or row["is_right"]


def test_the_error_of_heights_is_the_mean_of_three() -> None:
    even, wedge = (
        row_of_bodies([body_and_arch(heights)])
        for heights in ((HEIGHT_MM,) * 3, (HEIGHT_MM - 6.0, HEIGHT_MM, HEIGHT_MM))
    )
    assert height_error_mm(even.labels > 0, even.labels > 0, even.grid) == 0.0
    assert height_error_mm(even.labels > 0, wedge.labels > 0, even.grid) == pytest.approx(2.0, abs=0.6)
    assert height_error_mm(even.labels > 0, np.zeros(even.labels.shape, np.bool_), even.grid) is None


def test_cases_name_what_there_is() -> None:
    cases = read_cases()
    assert len({case.name for case in cases.rows}) == len(cases.rows)
    assert (Path("models") / cases.recipe / "training.toml").exists()
