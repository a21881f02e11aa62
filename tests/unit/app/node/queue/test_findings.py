"""Tests what a job states about fractures, from outcomes of all versions."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from app.node.queue.findings import WORDS, Finding, finding_of, shows_fracture
from app.node.queue.jobs.job_state import JobState, state_of
from app.node.queue.jobs.jobs_screen import show_job, show_jobs
from app.node.queue.outcomes import summarise_outcomes
from app.node.queue.workflow import delivery_place
from app.node.settings.configuration import NodeSettings
from operators.segmentation.radiograph_answer import Verdict
from operators.segmentation.study_verdict import ORDER

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MADE_AT = {"made_at": "2026-06-01T12:00:00+00:00"}


def series(code: str = "", probability: float | None = None) -> dict[str, Any]:
    """Returns the outcome of one series."""
    finding = {"finding": {"code": code, "probability": probability}} if code else {}
    return {"state": "segmented", "files": [{"kind": "sr"}], **finding}


def outcome(*findings: tuple[Any, ...]) -> dict[str, Any]:
    return summarise_outcomes([series(*each) for each in findings])


def test_the_codes_are_those_of_verdicts_in_the_order_of_a_study() -> None:
    assert list(WORDS) == [each.name.lower() for each in ORDER]
    assert len(WORDS) == len(Verdict)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([("no_fracture", 0.04), ("fracture", 0.6), ("fracture", 0.87)], Finding("fracture", 0.87)),
        ([("no_fracture", 0.04), ("uncertain", 0.3)], Finding("uncertain", 0.3)),
        ([("no_fracture", 0.04), ("no_fracture", 0.1)], Finding("no_fracture", 0.1)),
        ([("fracture", None), ("no_fracture", 0.1)], Finding("fracture", None)),
        ([()], None),
    ],
)
def test_a_fracture_in_one_view_is_the_study_s(
    findings: list[tuple[Any, ...]], expected: Finding | None
) -> None:
    assert finding_of(outcome(*findings)) == expected
    assert shows_fracture(outcome(*findings)) is (expected is not None and expected.code == "fracture")


FAILED = {"state": "failed", "code": "defect", "sentence": "no"}


@pytest.mark.parametrize("old", [None, "", FAILED, outcome(())])
def test_outcomes_of_earlier_versions_have_no_finding(old: Any) -> None:
    assert finding_of(old) is None
    assert not shows_fracture(old)


def test_a_finding_in_words_includes_a_known_probability() -> None:
    assert str(Finding("fracture", 0.87)) == "fracture found (probability 87%)"
    assert (
        str(Finding("no_fracture", 0.04, "balanced threshold 21%"))
        == "no fracture found (probability 4%; balanced threshold 21%)"
    )
    assert str(Finding("fracture")) == "fracture found"


def row(output: dict[str, Any]) -> SimpleNamespace:
    """Returns a job's row of the database."""
    return SimpleNamespace(
        workflow_id="1.2-a", status="SUCCESS", output=output, created_at=0, completed_at=1, dequeued_at=1
    )


def test_a_job_shows_its_finding_and_an_old_one_shows_none() -> None:
    job = state_of(row(outcome(("fracture", 0.87))), [])
    assert (job.finding, job.probability) == ("fracture", 0.87)
    assert state_of(row(outcome(())), []).finding == ""
    screens = [StringIO(), StringIO()]
    show_jobs([job], {"1.2-a": "a"}, {}, Console(file=screens[0], force_terminal=True, width=80), NOW)
    show_job(job, "a", "", "", Console(file=screens[1], width=80), NOW)
    assert all("fracture found (probability 87%)" in screen.getvalue() for screen in screens)


def test_a_job_without_a_finding_shows_none() -> None:
    screen = StringIO()
    job = JobState("1.2-a", "delivered", created_at=NOW.isoformat())
    show_job(job, "a", "", "", Console(file=screen), NOW)
    assert "finding" not in screen.getvalue()


def test_deliveries_of_a_fracture_have_precedence_only_if_set() -> None:
    broken, intact = outcome(("fracture", 0.87)), outcome(("no_fracture", 0.04))
    later = {"made_at": "2026-06-01T13:00:00+00:00"}
    assert delivery_place(MADE_AT, broken, NodeSettings()) == 0
    urgent = NodeSettings(urgent_findings=True)
    assert delivery_place(later, broken, urgent) < delivery_place(MADE_AT, intact, urgent)
    much_later = {"made_at": "2026-06-01T15:00:00+00:00"}
    assert delivery_place(MADE_AT, intact, urgent) < delivery_place(much_later, broken, urgent)
