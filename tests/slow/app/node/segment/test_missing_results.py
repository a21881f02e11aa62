"""One result that cannot be made holds none of the others back, and is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import operators.dicom.fallback_encodings
from app.node.queue.job import StudyJob, job_folder
from app.node.queue.jobs.job_state import JobState, with_missing
from app.node.queue.outcomes import summarise_outcomes
from app.node.segment.segmenting import Segmenter
from app.node.settings.peer import Peer
from app.run.folder import run_folder
from app.run.series_job import Graph, graph_of
from app.run.stage_clock import silent
from app.settings import Settings
from operators.errors import OutputError, UnwritableError
from operators.package_files.package_reader import read_package
from operators.results.image_kinds import IMAGE_KINDS
from tests.support.dicom import phantoms
from tests.support.dicom.seg_cases import MADE_AT
from tests.support.node.node_cases import node_settings
from tests.support.packages.synthetic_packages import write_package

AFFINE = phantoms.axial_affine((2.0, 2.0, 2.0))
HU = phantoms.position_volume((48, 48, 24), AFFINE)
BESIDE = {"sr", "rtstruct", "summary", "pdf", "text"}
DEFECT = KeyError("DOE^JANE")


def fail(error: Exception = DEFECT) -> Callable[..., Any]:
    def failing(*_: object, **__: object) -> None:
        raise error

    return failing


# What is broken, and the kinds of result that are missing then
FAILURES = [
    ("write_report", {"sr"}),
    ("measure_and_flag", {"sr"}),
    ("write_pictures", {"sc"}),
    ("draw_pictures", {"sc", "kos"}),
    ("write_key_objects", {"kos"}),
    ("write_turntable", {"turntable"}),
    ("draw_preview", {"preview"}),
]


def break_one(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception = DEFECT) -> None:
    """Has one function of the row for CT raise an error."""
    broken: dict[str, Any] = {name: fail(error)}
    monkeypatch.setitem(IMAGE_KINDS, "volume", replace(IMAGE_KINDS["volume"], **broken))


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """With a package that sees a bone everywhere."""
    models = tmp_path_factory.mktemp("models")
    write_package(models / "bones", sees_bone=True)
    return Settings(models=models, files=("rtstruct",))


@pytest.fixture(scope="module")
def graph(settings: Settings) -> Graph:
    """The real one, with its networks loaded once."""
    return graph_of(settings)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE)
    return tmp_path / "in"


def run(source: Path, settings: Settings, graph: Graph) -> tuple[int, dict[str, Any], Path]:
    """Exit code, the only series' row of the report, and the output folder."""
    output = source.parent / "out"
    outcome = run_folder(source, output, settings, None, MADE_AT, silent, graph)
    (row,) = json.loads((output / "report.json").read_text())["series"]
    return outcome.exit_code, row, output


def test_nothing_is_missing_where_nothing_fails(source: Path, settings: Settings, graph: Graph) -> None:
    code, row, _ = run(source, settings, graph)
    assert (code, row["missing"]) == (0, [])


def case_name(value: Any) -> str:
    """The same in every process: the order of a set is not."""
    if isinstance(value, set):
        return " ".join(sorted(value))
    return value if isinstance(value, str) else value.__name__.rpartition(".")[2]


@pytest.mark.parametrize(("name", "missing"), FAILURES, ids=case_name)
def test_the_others_are_made_and_the_missing_one_is_named(
    source: Path,
    settings: Settings,
    graph: Graph,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    missing: set[str],
) -> None:
    break_one(monkeypatch, name)
    with capture_logs() as said:
        code, row, output = run(source, settings, graph)
    assert code == OutputError.exit_code
    assert {each["kind"] for each in row["missing"]} == missing
    assert row["missing"][0]["code"] == "defect"
    assert (output / row["result"]).is_file()
    made = {"sr", *row["others"]} if row["measurements"] else set(row["others"])
    assert made == BESIDE - missing
    assert {each["kind"] for each in said if each["event"] == "result_missing"} == missing
    assert "DOE" not in str(said)


def test_a_form_of_the_segmentation_that_fails_holds_back_none(
    source: Path, settings: Settings, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = OutputError("expected at most 4 GB of frames, got more", code="too_large")
    monkeypatch.setitem(operators.dicom.fallback_encodings.FALLBACK_ENCODINGS, "rtstruct", fail(error))
    _, row, _ = run(source, settings, graph)
    assert [(each["kind"], each["code"]) for each in row["missing"]] == [("rtstruct", "too_large")]
    assert row["measurements"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(UnwritableError("expected room, got none"), "output"), (MemoryError(), "out_of_memory")],
)
def test_what_may_work_later_is_tried_again_as_a_whole(
    source: Path,
    settings: Settings,
    graph: Graph,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    code: str,
) -> None:
    break_one(monkeypatch, "write_report", error)
    _, row, _ = run(source, settings, graph)
    assert (row["result"], row["code"]) == (None, code)


def test_a_former_run_leaves_no_result_in_the_place_of_a_missing_one(
    source: Path, settings: Settings, graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, row, output = run(source, settings, graph)
    report = output / row["measurements"]
    (output / "report.json").unlink()  # so that the run knows nothing of the former
    break_one(monkeypatch, "write_report")
    run(source, settings, graph)
    assert not report.exists()


@pytest.mark.parametrize("where", ["made", "verified"])
def test_a_node_sends_what_it_has_and_names_what_is_missing(
    tmp_path: Path, settings: Settings, graph: Graph, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    error = OutputError("expected the patient of the source in the result, got another", code="unlike")
    break_one(monkeypatch, "write_report" if where == "made" else "check_report", error)
    peer = Peer.model_validate(
        {"name": "pacs", "ae_title": "PACS", "host": "127.0.0.1", "port": 104, "receives": True}
        | {"results": ("seg", "sr", "labelmap")}
    )
    node = Settings(models=settings.models, node=node_settings(tmp_path, peers=(peer,)))
    job = StudyJob("1.2-1", "1.2", 1, "2026-01-01T00:00:00", "CT1", HU.shape[2])
    phantoms.write_ct(job_folder(tmp_path, job.job_id).input, HU, AFFINE)
    package = read_package(settings.models / "bones" / "package.toml")
    segmented = Segmenter(node, (package,), graph).segment(job.as_json(), [0])
    assert [file["kind"] for file in segmented["files"]] == ["seg", "labelmap"]
    outcome = summarise_outcomes([segmented])
    assert (outcome["state"], outcome["code"]) == ("segmented", "unlike")
    said = with_missing(JobState(job.job_id, "delivered"), outcome)
    assert (said.state, said.code) == ("delivered", "unlike")
    assert said.sentence == f"no sr was made (unlike): {error}"


def test_a_job_of_an_older_version_has_nothing_missing() -> None:
    outcome = summarise_outcomes([{"state": "segmented", "files": []}])
    job = JobState("1.2-1", "delivered")
    assert with_missing(job, outcome) is job
