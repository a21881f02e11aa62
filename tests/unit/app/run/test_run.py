"""A folder is run series by series; a fake graph stands for the networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console
from structlog.testing import capture_logs

from app.cli.run_outcome import progress_display, run_command, show_outcome
from app.run.folder import RunOutcome, exit_code, run_folder
from app.run.record import SeriesRecord
from app.run.series_job import Job
from app.run.stage_clock import StageClock, silent
from app.settings import Settings
from operators.errors import (
    ModelError,
    OsteonError,
    OutputError,
    TransientError,
    UnreadableError,
    UnsuitableError,
    UsageError,
)
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom import phantoms
from tests.support.dicom.reading_cases import setting
from tests.support.dicom.seg_cases import MADE_AT, blobs, bone, grid, segmentation
from tests.support.training.training_cases import write_models

AFFINE = phantoms.axial_affine((3.0, 3.0, 3.0))
HU = phantoms.position_volume((16, 16, 16), AFFINE)
MADE = segmentation(blobs(), grid(), bone(11), bone(12, fragment=1))


Graph = Callable[[Job, StageClock], Segmentation]


def works(_: Job, clock: StageClock) -> Segmentation:
    with clock.measured("anatomy"):
        clock.progress("coarse", 0.5)
    return MADE


def fails(error: Exception, number: int = 0) -> Graph:
    """Fails for the `number`-th suitable series, and segments the others."""

    def graph(job: Job, clock: StageClock) -> Segmentation:
        if job.number == number:
            with clock.measured("read"):
                raise error
        return works(job, clock)

    return graph


def run(tmp_path: Path, graph: Graph, name: str | None = None) -> RunOutcome:
    models = tmp_path / "models"
    if not models.exists():
        write_models(models)
    settings = Settings(models=models)
    return run_folder(tmp_path / "in", tmp_path / "out", settings, name, MADE_AT, silent, graph)


def studies(tmp_path: Path, count: int) -> None:
    for study in range(1, count + 1):
        phantoms.write_ct(tmp_path / "in", HU, AFFINE, study=study, series=study)


def written(tmp_path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    return report


def shown(outcome: RunOutcome) -> str:
    output = StringIO()
    show_outcome(outcome, Console(file=output, width=60))
    return output.getvalue()


def test_a_segmented_series_has_its_record_result_and_stages(tmp_path: Path) -> None:
    studies(tmp_path, 1)
    outcome = run(tmp_path, works)
    (record,) = outcome.series
    assert outcome.exit_code == 0
    assert (record.code, record.result) == ("selected", "segmentation.dcm")
    assert record.segmentation is MADE
    assert [stage.name for stage in record.stages] == ["anatomy", "page"]
    assert written(tmp_path)["exit_code"] == 0
    assert [stage["name"] for stage in cast(list[dict[str, str]], written(tmp_path)["stages"])] == ["scan"]
    assert "segmentation.dcm" in shown(outcome)


def test_one_failing_series_leaves_the_others_done(tmp_path: Path) -> None:
    studies(tmp_path, 3)
    outcome = run(tmp_path, fails(UnsuitableError("no box found", code="anatomy_not_found"), number=1))
    assert outcome.exit_code == 0
    assert [record.code for record in outcome.series] == ["selected", "anatomy_not_found", "selected"]
    results = [record.result for record in outcome.series]
    assert results == ["study-1/series-1/segmentation.dcm", None, "study-3/series-1/segmentation.dcm"]
    assert [stage.name for stage in outcome.series[1].stages] == ["read"]
    assert outcome.series[1].sentence == "no box found"


def test_a_defect_ends_named_with_its_traceback_in_the_log_and_not_in_the_report(tmp_path: Path) -> None:
    studies(tmp_path, 2)
    with capture_logs() as logs:
        outcome = run(tmp_path, fails(ZeroDivisionError("secret")))
    assert outcome.exit_code == 1
    assert [record.code for record in outcome.series] == ["defect", "selected"]
    assert "secret" not in json.dumps(written(tmp_path)) + shown(outcome)
    assert "ZeroDivisionError" in logs[0]["traceback"]
    assert "secret" not in logs[0]["traceback"]
    assert logs[0]["series_instance_uid"] == outcome.series[0].series_instance_uid


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnsuitableError("x"), 3),
        (UnreadableError("x"), 4),
        (ModelError("x"), 5),
        (OutputError("x"), 6),
        (TransientError("x"), 6),
        (RuntimeError("x"), 1),
    ],
)
def test_the_only_series_decides_the_exit_code(tmp_path: Path, error: Exception, code: int) -> None:
    studies(tmp_path, 1)
    outcome = run(tmp_path, fails(error))
    expected = error.code if isinstance(error, OsteonError) else "defect"
    assert (outcome.exit_code, outcome.series[0].code) == (code, expected)
    assert written(tmp_path)["series"][0]["decision"] == "refused"


@pytest.mark.parametrize(
    ("codes", "code"),
    [([], 3), ([3, 4], 4), ([3, 0], 0), ([4, 0], 0), ([0, 5], 5), ([6, 5], 6), ([5, 1, 0], 1), ([3, 3], 3)],
)
def test_what_is_ours_to_mend_outweighs_what_was_done(codes: list[int], code: int) -> None:
    assert exit_code(codes) == code


def test_refused_series_stand_in_the_report_beside_segmented_ones(tmp_path: Path) -> None:
    studies(tmp_path, 1)
    phantoms.write_ct(tmp_path / "in", HU, AFFINE, study=7, series=7, edit=setting(Modality="MR"))
    (tmp_path / "in" / "bad.dcm").write_bytes(bytes(128) + b"DICM" + bytes(range(7, 200)) * 9)
    outcome = run(tmp_path, works)
    assert outcome.exit_code == 0
    assert sorted(record.code for record in outcome.series) == ["other_modality", "selected"]
    assert written(tmp_path)["unreadable"][0]["path"] == "bad.dcm"
    assert "bad.dcm: expected a SOPInstanceUID" in shown(outcome)


def test_without_any_suitable_series_no_graph_is_run(tmp_path: Path) -> None:
    phantoms.write_ct(tmp_path / "in", HU, AFFINE, edit=setting(Modality="MR"))
    outcome = run(tmp_path, fails(AssertionError("must not run")))
    assert (outcome.exit_code, outcome.series[0].code) == (3, "other_modality")


def test_without_any_series_the_input_is_unreadable_and_the_report_says_so(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(UnreadableError, match="empty folder"):
        run(tmp_path, works)
    assert (written(tmp_path)["exit_code"], written(tmp_path)["series"]) == (4, [])


def test_an_input_that_does_not_exist_leaves_no_output_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        run(tmp_path, works)
    assert not (tmp_path / "out").exists()


def test_a_single_file_is_an_input_too(tmp_path: Path) -> None:
    phantoms.write_enhanced_ct(tmp_path / "in", HU, AFFINE)
    outcome = run(tmp_path, works)
    assert len(outcome.series) == 1


def test_packages_are_chosen_by_name_and_must_be_there(tmp_path: Path) -> None:
    studies(tmp_path, 1)
    assert run(tmp_path, works, "box").exit_code == 0
    with pytest.raises(UsageError, match="expected one of the packages box, got 'wing'"):
        run(tmp_path, works, "wing")
    with pytest.raises(ModelError, match="expected a folder of model packages"):
        run_folder(tmp_path / "in", tmp_path / "out", Settings(models=tmp_path), None, MADE_AT, silent, works)


@pytest.mark.parametrize("parent", ["file", "/proc"])
def test_an_output_that_cannot_be_written_is_told_before_anything_is_run(tmp_path: Path, parent: str) -> None:
    studies(tmp_path, 1)
    write_models(tmp_path / "models")
    (tmp_path / "file").touch()
    settings = Settings(models=tmp_path / "models")
    output = tmp_path / parent / "out"
    with pytest.raises(OutputError, match="expected an output folder that can be written") as caught:
        run_folder(tmp_path / "in", output, settings, None, MADE_AT, silent, fails(AssertionError()))
    assert caught.value.code == "output_unwritable"


def test_what_a_file_says_of_itself_is_shown_and_never_taken_for_markup() -> None:
    warnings = ("[bold] warning",)
    record = SeriesRecord("1.2", "1.3", "[/part]", "[red]", 1, "other_modality", "got [/x]", warnings)
    text = shown(RunOutcome((record,), 3, Path("out")))
    assert "series [red] 1.3, [/part], 1 slice: got [/x]" in text
    assert "[bold] warning" in text


def test_a_long_sentence_stays_on_one_line() -> None:
    sentence = "expected " + "something long " * 20
    record = SeriesRecord("1.2", "1.3", "", "CT", 9, "one_slice", sentence.strip())
    assert sentence.strip() in shown(RunOutcome((record,), 3, Path("out")))


def test_progress_is_shown_to_a_person_and_not_to_a_pipe() -> None:
    with progress_display(Console(file=StringIO())) as show:
        assert show is silent
    screen = StringIO()
    with progress_display(Console(file=screen, force_terminal=True, width=60)) as show:
        show("coarse", 0.0)
        show("coarse", 0.5)
    assert "coarse" in screen.getvalue()


def test_input_and_output_must_come_from_somewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("OSTEON", "HOLOSCAN", "MONAI"):
        for end in ("_INPUT", "_INPUT_PATH", "_INPUTPATH", "_OUTPUT", "_OUTPUT_PATH", "_OUTPUTPATH"):
            monkeypatch.delenv(name + end, raising=False)
    with pytest.raises(UsageError, match="expected an input folder, got none"):
        run_command(None, quiet=True)
    with pytest.raises(UsageError, match=r"expected an output folder \(-o OUT\), got none"):
        run_command(None, quiet=True, input=tmp_path)


def test_stages_are_measured_even_when_they_fail() -> None:
    clock = StageClock()
    with pytest.raises(ValueError, match="x"), clock.measured("read"):
        raise ValueError("x")
    (stage,) = clock.records
    assert stage.name == "read"
    assert stage.seconds >= 0
    assert 1 < stage.peak_rss_mb < 1e6


def test_results_of_a_former_run_do_not_stay_in_the_same_folder(tmp_path: Path) -> None:
    studies(tmp_path, 1)
    run(tmp_path, works)
    former, foreign = tmp_path / "out" / "segmentation.dcm", tmp_path / "out" / "notes.txt"
    former.touch()
    foreign.touch()
    outcome = run(tmp_path, fails(UnsuitableError("nothing there")))
    assert outcome.exit_code == UnsuitableError.exit_code
    assert not former.exists()
    assert foreign.exists()


@pytest.mark.parametrize("content", ["{}", "[1]", "no json", '{"series": [{"result": "../kept.dcm"}]}'])
def test_a_strange_report_in_the_output_folder_does_no_harm(tmp_path: Path, content: str) -> None:
    studies(tmp_path, 1)
    kept = tmp_path / "kept.dcm"
    kept.touch()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.json").write_text(content, encoding="utf-8")
    assert run(tmp_path, works).exit_code == 0
    assert kept.exists()
