"""Three packages that share their networks in a run: each network runs as often as for one package."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.run.folder import run_folder
from app.run.stage_clock import silent
from app.settings import Settings
from operators.packages.seen import SEGMENTED
from operators.pipelines import coarse_to_fine
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import MADE_AT
from tests.support.node.node_cases import node_settings
from tests.support.packages.limbs_package import (
    AFFINE,
    KnowingNetworks,
    limbs_ct,
    write_trio,
)
from tests.unit.operators.pipelines.test_shared_networks import BY_PACKAGE, Trio, patches, segmented, volume


@pytest.fixture(scope="module")
def trio(tmp_path_factory: pytest.TempPathFactory) -> Trio:
    return write_trio(tmp_path_factory.mktemp("models"))


def test_the_networks_run_as_often_for_three_packages_as_for_one_of_all_bones(trio: Trio) -> None:
    labels = tuple(label for package in trio for label in package.labels)
    everything = replace(trio[0], labels=labels)
    together, alone = patches(volume(), trio), [patches(volume(), (package,)) for package in trio]
    assert together["coarse"] == alone[0]["coarse"] == alone[1]["coarse"] == alone[2]["coarse"]
    assert together["fine"] == patches(volume(), (everything,))["fine"]
    assert together["fine"] < sum(each["fine"] for each in alone)


def test_a_package_alone_gives_the_same_on_both_paths(trio: Trio) -> None:
    for package in trio:
        one = coarse_to_fine.segment(volume(), package, KnowingNetworks(), lambda *_: None)
        other = segmented(volume(), (package,))
        np.testing.assert_array_equal(one.label_map.labels, other.label_map.labels)
        assert one.segments == other.segments


def test_the_graph_gives_the_labels_of_the_plain_path_and_reports_what_was_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = write_trio(tmp_path / "models")
    networks = KnowingNetworks()
    monkeypatch.setattr("app.run.series_job.networks_of", lambda _: networks)
    phantoms.write_ct(tmp_path / "in", limbs_ct(), AFFINE)
    settings = Settings(models=tmp_path / "models", node=node_settings(tmp_path / "node"))
    outcome = run_folder(tmp_path / "in", tmp_path / "out", settings, None, MADE_AT, silent)
    (record,) = outcome.series
    assert record.segmentation is not None
    plain = KnowingNetworks()
    made = segmented(volume(), packages, plain)
    np.testing.assert_array_equal(record.segmentation.label_map.labels, made.label_map.labels)
    assert networks.patches == plain.patches
    (row,) = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["series"]
    assert {each["structure"] for each in row["seen"]} >= {"plate", "rod"}
    assert {each["package"]: each["state"] for each in row["packages"]} == dict.fromkeys(
        BY_PACKAGE, SEGMENTED
    )
    assert len(list((tmp_path / "out").glob("segmentation*.dcm"))) == 1
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Seen in the scan" in page
    assert "Plate:" in page
