"""Two packages beside each other in a run, in the graph and on a node: one SEG holds all bones of both."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from app.node.queue.job import StudyJob, job_folder
from app.node.segment.segmenting import Segmenter
from app.run.folder import run_folder
from app.run.series_job import graph_of
from app.run.stage_clock import silent
from app.settings import Settings
from operators.dicom.seg.seg_reader import read_seg
from operators.package_files.package_reader import read_package
from operators.packages.joint import parts_of
from operators.pipelines import several
from tests.slow.operators.pipelines.test_several import assert_right, volume
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import MADE_AT
from tests.support.node.node_cases import node_settings
from tests.support.packages.limbs_package import (
    AFFINE,
    SHAPE,
    KnowingNetworks,
    limbs_ct,
    write_limbs,
)
from tests.support.packages.synthetic_packages import write_package


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Of both packages, whose networks know the truth."""
    write_package(tmp_path / "models" / "bones")
    write_limbs(tmp_path / "models")
    networks = KnowingNetworks()
    monkeypatch.setattr("app.run.series_job.networks_of", lambda _: networks)
    phantoms.write_ct(tmp_path / "in", limbs_ct(), AFFINE)
    return Settings(models=tmp_path / "models", node=node_settings(tmp_path / "node"))


def test_a_folder_gives_one_seg_whose_segments_say_which_package_made_them(
    tmp_path: Path, settings: Settings
) -> None:
    outcome = run_folder(tmp_path / "in", tmp_path / "out", settings, None, MADE_AT, silent)
    assert outcome.exit_code == 0
    assert [path.name for path in (tmp_path / "out").glob("segmentation*.dcm")] == ["segmentation.dcm"]
    dataset = dcmread(tmp_path / "out" / "segmentation.dcm")
    makers = {
        item.TrackingID.split(" ")[0]: item.SegmentationAlgorithmIdentificationSequence[0].AlgorithmName
        for item in dataset.SegmentSequence
    }
    assert makers == {
        **dict.fromkeys(("middle", "side_left", "side_right"), "Osteon bones"),
        **dict.fromkeys(("plate", "rod_left", "rod_right"), "Osteon limbs"),
    }
    numbers: dict[str, list[int]] = {}
    for item in dataset.SegmentSequence:
        numbers.setdefault(item.TrackingID.split(" ")[0], []).append(item.SegmentNumber)
    label_map, _ = read_seg(tmp_path / "out" / "segmentation.dcm")
    assert_right(label_map.labels, numbers)
    (row,) = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))["series"]
    assert row["model"] == "bones+limbs"
    assert {each["bone"]: each["model"] for each in row["segments"]}["plate"] == "limbs"


def test_the_graph_and_the_plain_path_give_the_same_labels(tmp_path: Path, settings: Settings) -> None:
    outcome = run_folder(tmp_path / "in", tmp_path / "out", settings, None, MADE_AT, silent)
    (record,) = outcome.series
    assert record.segmentation is not None
    packages = parts_of(record.segmentation.package)
    plain = several.segment(volume(), packages, KnowingNetworks(), lambda *_: None)
    np.testing.assert_array_equal(record.segmentation.label_map.labels, plain.label_map.labels)


def test_a_node_hands_over_one_seg_of_both(settings: Settings) -> None:
    job = StudyJob("1.2-1", "1.2", 1, "2026-01-01T00:00:00", "CT1", SHAPE[2])
    phantoms.write_ct(job_folder(settings.node.data, job.job_id).input, limbs_ct(), AFFINE)
    packages = tuple(read_package(path) for path in sorted(settings.models.glob("*/package.toml")))
    segmenter = Segmenter(settings, packages, graph_of(settings))
    plan = segmenter.decide(job.as_json())
    assert [each["series"] for each in plan["candidates"]] == [plan["candidates"][0]["series"]] * 2
    outcome = segmenter.segment(job.as_json(), [0, 1])
    assert (outcome["state"], outcome["found"]) == ("segmented", [0, 1])
    assert [file["kind"] for file in outcome["files"]].count("seg") == 1
