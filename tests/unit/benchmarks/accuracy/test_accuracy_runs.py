"""Runs of the accuracy panel: which cases they hold, and the row of a scan in which nothing is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.cases.panel import Case, Source, intact_cts, panel, trained_on
from benchmarks.accuracy.cases.provenance import provenance_of
from benchmarks.accuracy.cases.running import run_case
from benchmarks.accuracy.cases.scan import Scan, scan_of
from benchmarks.accuracy.measuring import other_package, shipped
from benchmarks.accuracy.tables import operating_point_line
from operators.errors import UsageError
from operators.geometry.volume import Grid
from operators.networks.registry import Networks
from operators.networks.runtimes import Device

ROOT = Path(__file__).parents[4]
MODELS = ROOT / "models"
PACKAGE = shipped(MODELS)


@pytest.fixture(scope="module")
def networks() -> Networks:
    return Networks(Device())


def soft_scan(labels: np.ndarray) -> Scan:
    """Soft tissue only, whatever the ground truth."""
    return scan_of(np.full(labels.shape, 50, np.int16), labels, Grid(labels.shape, np.diag([4.0, 4, 4, 1])))


def test_a_scan_whose_bones_were_not_found_gets_metrics_and_a_code(
    tmp_path: Path, networks: Networks
) -> None:
    labels = np.zeros((30, 30, 30), np.uint8)
    labels[5:12, 10:20, 10:20], labels[18:25, 10:20, 10:20] = 21, 11
    case = Case("positions", "lost", lambda: soft_scan(labels))
    row = run_case(case, PACKAGE, networks, tmp_path)
    assert row["code"] == "anatomy_not_found"
    assert [bone["anatomy"]["iou"] for bone in row["bones"]] == [0.0, 0.0]
    assert row["wrong_side"] == {}
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_a_scan_without_bones_says_how_sure_the_network_was(tmp_path: Path, networks: Networks) -> None:
    case = Case("negatives", "water", lambda: soft_scan(np.zeros((30, 30, 30), np.uint8)))
    row = run_case(case, PACKAGE, networks, tmp_path)
    assert row["segments"] == []
    assert 0 <= row["mean"] < PACKAGE.accepts.minimum_probability
    assert 0 <= row["peak"] <= 1


def test_the_panel_runs_each_case_once_and_none_that_training_saw_as_a_negative(tmp_path: Path) -> None:
    folder = tmp_path / "head_neck_ct"
    folder.mkdir()
    for name in ("pt_001", "pt_012"):
        (folder / f"{name}.nii.gz").touch()
    seen = trained_on(MODELS / "pelvis" / "training.toml")
    assert "pelvis/001" in seen
    assert "pelvis/003" not in seen
    intact = intact_cts(MODELS / "pelvis" / "training.toml")
    cases = list(panel(Source(tmp_path, tmp_path, PACKAGE.labels, seen, intact), ["001"]))
    keys = [(case.group, case.name, case.networks) for case in cases]
    assert len(set(keys)) == len(keys)
    assert ("patients", "001", "001") in keys
    assert ("patients", "002", "002") not in keys
    assert len(intact) > 1
    for point in ("shipped", "sensitive"):
        assert ("operating_points", Path(intact[0]).name, point) in keys
    negatives = {case.name for case in cases if case.group == "negatives"}
    assert "pt_012" in negatives
    assert "pt_001" not in negatives


def test_fragments_of_a_ct_without_a_fracture_are_invented() -> None:
    found = {"sacrum": [100.0], "hip fragment 1": [90.0], "hip fragment 2": [2.5], "hip fragment 3": [1.0]}
    segments = [{"label": label, "ml": ml} for label, (ml,) in found.items()]
    row = {"case": "a scan", "networks": "sensitive", "segments": segments}
    assert operating_point_line(row) == ("a scan", "sensitive", "2", "2", "1.0, 2.5", "-")


def test_the_shipped_networks_cannot_stand_for_some_that_never_saw_a_patient() -> None:
    with pytest.raises(UsageError, match="got the shipped ones"):
        other_package(MODELS, PACKAGE)


def test_a_row_names_all_that_made_it() -> None:
    stamp = provenance_of(PACKAGE)
    assert set(stamp) == {"coarse", "fine", "fracture", "package", "program"}
    assert stamp["fine"] == PACKAGE.fine.sha256
    assert {len(value) for value in stamp.values()} == {64}
