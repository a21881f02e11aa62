"""Tests a worker's steps for radiographs: results without a SEG, secondary captures, no prefetching."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest

from app.node.queue.findings import Finding
from app.node.queue.job import StudyJob, job_folder
from app.node.segment.segmenting import Segmenter
from app.node.segment.series_outcome import finding_in
from app.node.segment.study_reader import CAPTURE, read_study
from app.node.settings.peer import Peer
from app.run.series_job import Graph, graph_of
from app.settings import Settings
from operators.errors import OutputError
from operators.package_files.package_reader import read_package
from operators.packages.packages import ModelPackage
from operators.results.image_kinds import IMAGE_KINDS
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import blobs, bone, grid, segmentation
from tests.support.node.node_cases import node_settings
from tests.support.packages.synthetic_packages import write_package
from tests.support.radiographs.projection_files import SC, radiograph, save
from tests.support.radiographs.radiograph_studies import INTACT, PROBABILITY, write_views, write_views_package

AFFINE = phantoms.axial_affine((2.0, 2.0, 2.0))
HU = phantoms.position_volume((48, 48, 24), AFFINE)
JOB = StudyJob("1.2-1", "1.2", 1, "2026-01-01T00:00:00", "CT1", 2)
THRESHOLD = "balanced threshold 50%"
PACS = Peer.model_validate(
    {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "receives": True}
    | {"results": ("seg", "sr", "sc", "turntable", "kos", "labelmap")}
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes two packages for radiographs, one of which finds fractures, and one for CT."""
    root = tmp_path_factory.mktemp("models")
    write_views_package(root / "fractured")
    write_views_package(root / "intact", probability=INTACT)
    write_package(root / "ct" / "bones", sees_bone=True)
    return root


@pytest.fixture(scope="module")
def graph(models: Path) -> Graph:
    return graph_of(Settings(models=models))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Returns the folder of the job's images, two views."""
    folder = job_folder(tmp_path, JOB.job_id).input
    write_views(folder)
    return folder


def packages(models: Path, *names: str) -> tuple[ModelPackage, ...]:
    return tuple(read_package(path) for name in names for path in (models / name).rglob("package.toml"))


def segmenter(tmp_path: Path, models: Path, graph: Graph, *names: str) -> Segmenter:
    settings = Settings(models=models, node=node_settings(tmp_path, peers=(PACS,)))
    return Segmenter(settings, packages(models, *names), graph)


def kinds(outcome: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(file["kind"] for file in outcome["files"]))


def fail(*_: object) -> Any:
    raise OutputError("expected a result, got none", code="broken")


def broken(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Makes functions of the row for radiographs fail."""
    changes: dict[str, Any] = dict.fromkeys(names, fail)
    row = replace(IMAGE_KINDS["projection"], **changes)
    monkeypatch.setitem(IMAGE_KINDS, "projection", row)


def test_each_view_is_a_series_with_or_without_a_seg(
    tmp_path: Path, models: Path, graph: Graph, source: Path
) -> None:
    worker = segmenter(tmp_path, models, graph, "fractured")
    assert worker.decide(JOB.as_json())["selected"] == len(list(source.iterdir()))
    with_finding, without = (worker.segment(JOB.as_json(), [number]) for number in (0, 1))
    assert [each["state"] for each in (with_finding, without)] == ["segmented"] * 2
    assert (kinds(with_finding), kinds(without)) == (["seg", "sr", "sc", "labelmap"], ["sr", "sc"])
    assert [each["missing"] for each in (with_finding, without)] == [[], []]
    assert with_finding["finding"] == {"code": "fracture", "probability": PROBABILITY, "threshold": THRESHOLD}
    report = pydicom.dcmread(job_folder(tmp_path, JOB.job_id).output / without["files"][0]["file"])
    assert report.Modality == "SR"


def test_a_study_without_findings_is_segmented_all_the_same(
    tmp_path: Path, models: Path, graph: Graph, source: Path
) -> None:
    outcome = segmenter(tmp_path, models, graph, "intact").segment(JOB.as_json(), [0])
    assert source.is_dir()
    assert (outcome["state"], kinds(outcome)) == ("segmented", ["sr", "sc"])
    assert outcome["finding"] == {"code": "no_fracture", "probability": INTACT, "threshold": THRESHOLD}


@pytest.mark.parametrize("how", ["write_report", "check_report"])
def test_pictures_are_sent_where_there_is_neither_seg_nor_report(
    tmp_path: Path, models: Path, graph: Graph, source: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    broken(monkeypatch, how)
    outcome = segmenter(tmp_path, models, graph, "intact").segment(JOB.as_json(), [0])
    assert source.is_dir()
    assert (outcome["state"], kinds(outcome)) == ("segmented", ["sc"])
    assert [each["code"] for each in outcome["missing"]] == ["broken"]


def test_a_radiograph_of_which_nothing_can_be_sent_has_failed_and_says_why(
    tmp_path: Path, models: Path, graph: Graph, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, "write_report", "write_pictures")
    outcome = segmenter(tmp_path, models, graph, "intact").segment(JOB.as_json(), [0])
    assert source.is_dir()
    assert (outcome["state"], outcome["code"]) == ("failed", "broken")
    assert "no sr was made" in outcome["sentence"]
    assert "no sc was made" in outcome["sentence"]


def test_a_ct_and_radiographs_of_one_study_are_read_as_what_they_are(
    tmp_path: Path, models: Path, graph: Graph, source: Path
) -> None:
    phantoms.write_ct(source / "ct", HU, AFFINE)
    worker = segmenter(tmp_path, models, graph, "ct", "fractured")
    chosen = worker.decide(JOB.as_json())["candidates"]
    outcomes = [worker.segment(JOB.as_json(), [number]) for number in range(len(chosen))]
    assert [each["state"] for each in outcomes] == ["segmented"] * 3
    assert sorted("seg" in kinds(each) for each in outcomes) == [False, True, True]
    assert len({file["file"] for each in outcomes for file in each["files"]}) == sum(
        len(each["files"]) for each in outcomes
    )


def film(number: int = 1, **attributes: Any) -> Callable[[Path], Path]:
    """Returns a writer of a scanned film, which `osteon run` accepts."""
    made = radiograph(series=9, number=number, SOPClassUID=SC, ConversionType="DF", **attributes)
    return lambda folder: save(made, folder / f"film-{number}.dcm")


def test_no_secondary_capture_is_segmented_not_even_a_scanned_film(
    tmp_path: Path, models: Path, graph: Graph, source: Path
) -> None:
    film()(source)
    plan = segmenter(tmp_path, models, graph, "fractured").decide(JOB.as_json())
    assert plan["selected"] == 2
    assert [each["code"] for each in plan["refusals"]] == [CAPTURE]
    for path in source.glob("view-*"):
        path.unlink()
    plan = segmenter(tmp_path, models, graph, "fractured").decide(JOB.as_json())
    assert (plan["selected"], [each["code"] for each in plan["refusals"]]) == (0, [CAPTURE])


def test_own_results_beside_the_images_are_refused(
    tmp_path: Path, models: Path, graph: Graph, source: Path
) -> None:
    worker = segmenter(tmp_path, models, graph, "fractured")
    files = [file for number in (0, 1) for file in worker.segment(JOB.as_json(), [number])["files"]]
    output = job_folder(tmp_path, JOB.job_id).output
    for number, file in enumerate(files):
        shutil.copy(output / file["file"], source / f"result-{number}.dcm")
    again = segmenter(tmp_path, models, graph, "fractured").decide(JOB.as_json())
    assert again["selected"] == 2
    for path in source.glob("view-*"):
        path.unlink()
    assert segmenter(tmp_path, models, graph, "fractured").decide(JOB.as_json())["selected"] == 0


def test_of_radiographs_only_headers_are_read_ahead(models: Path, source: Path) -> None:
    found, grid_of_volume, _, _ = read_study(source, packages(models, "fractured"), 10**9)
    assert (len(found.series), grid_of_volume) == (2, None)


def test_a_fragmented_bone_of_a_ct_is_a_fracture_and_an_intact_one_says_nothing() -> None:
    broken_bone = (bone(11, fragment=1), bone(12, fragment=2))
    made = segmentation(blobs(), grid(), *broken_bone)
    assert finding_in(made) == Finding("fracture", broken_bone[0].fracture_probability)
    likely = tuple(replace(each, fracture_probability=0.9) for each in broken_bone)
    assert finding_in(replace(made, segments=likely)) == Finding("fracture", 0.9)
    assert finding_in(segmentation(blobs(), grid(), bone(11))) is None
