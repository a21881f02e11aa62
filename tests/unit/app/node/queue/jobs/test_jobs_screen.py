"""How jobs are named and shown: nothing is cut, on a terminal of 80 columns or elsewhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from rich.console import Console

from app.node.queue.attempts import Attempts, counted
from app.node.queue.decisions import INCOMPLETE
from app.node.queue.jobs.job_names import named_job, short_ids
from app.node.queue.jobs.job_state import STATES, DeliveryState, JobState
from app.node.queue.jobs.jobs_screen import duration, show_job, show_jobs
from operators.errors import UsageError

NOW = datetime(2026, 6, 1, 12, 0, 30, tzinfo=UTC)
STUDY = "1.2.840.113619.2.404.3.2831162.1.0.1717228800.123456789.987654321"
UNREACHABLE = "expected pacs at 10.0.0.5:104 to answer, got none: is it running there?"
POSTPONED = DeliveryState("pacs", "postponed", "unreachable", UNREACHABLE, 5, "2026-06-01T12:01:10+00:00")
ARCHIVE = DeliveryState("archive-of-the-whole-university-h", "delivered")
JOB = JobState(
    f"{STUDY}-3fa9c1d2e4b5a697", "delivering", "unreachable", f"pacs: {UNREACHABLE}",
    (NOW - timedelta(hours=5)).isoformat(), deliveries=(("pacs", "delivering"),),
    begun_ms=int((NOW.timestamp() - 90) * 1000), calling_ae="CT_EMERGENCY_16C", images=12345, revision=2,
    destinations=(POSTPONED, ARCHIVE),
)  # fmt: skip
REFUSED = replace(
    JOB, job_id=f"{STUDY}-3fa9c1ffffffffff", state="refused", code="other_modality", destinations=(),
    sentence="expected modality CT, got MR", completed_ms=JOB.begun_ms + 4000,
)  # fmt: skip
IDS = [JOB.job_id, REFUSED.job_id, "1.2.9-00aa"]


def shown(width: int, terminal: bool = True, jobs: tuple[JobState, ...] = (JOB, REFUSED)) -> list[str]:
    output = StringIO()
    console = Console(file=output, width=width, force_terminal=terminal, color_system=None)
    accessions = {JOB.job_id: "A\x1b[2J-42"}
    if terminal:
        show_jobs(jobs, short_ids(IDS), accessions, console, NOW)
    return output.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_shows_everything_and_cuts_nothing(width: int) -> None:
    lines = shown(width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    assert "3fa9c1d" in text
    assert "3fa9c1f" in text
    assert "CT_EMERGENCY_16C 12345" in text
    assert f"pacs: postponed: {UNREACHABLE} (unreachable); 5 attempts so far, the next at 12:01:10" in text
    assert "archive-of-the-whole-university-h: delivered" in text
    assert "expected modality CT, got MR (other_modality)" in text
    assert r"accession number A\x1b[2J-42" in text
    assert " 5 h " in text
    assert "…" not in text


def test_elsewhere_each_job_is_one_line_with_its_whole_id(capsys: pytest.CaptureFixture[str]) -> None:
    show_jobs([JOB, REFUSED], short_ids(IDS), {}, Console(width=80), NOW)
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{JOB.job_id}; delivering; age 5 h; took 90 s; from CT_EMERGENCY_16C; 12345 ")
    assert first.endswith("; archive-of-the-whole-university-h: delivered")
    assert second.endswith(
        "took 4 s; from CT_EMERGENCY_16C; 12345 images; expected modality CT, got MR (other_modality)"
    )


def test_no_jobs_are_said_in_words() -> None:
    assert shown(80, jobs=()) == ["no jobs: no study is complete yet, or all were removed"]


def test_one_job_is_shown_with_its_whole_id_and_files() -> None:
    output = StringIO()
    console = Console(file=output, width=80, force_terminal=True, color_system=None)
    show_job(JOB, "3fa9c1d", "", "/data/jobs/x", console, NOW)
    text = output.getvalue()
    assert max(map(len, text.splitlines())) <= 10 + len(JOB.job_id)
    for part in (JOB.job_id, "3fa9c1d", "accession none", "version 2", "/data/jobs/x", "5 h ago"):
        assert part in " ".join(text.split())


def test_of_a_conflict_nothing_is_said_that_is_not_known() -> None:
    text = "expected the same patient's images, got another's"
    conflict = JobState(f"{STUDY}-1234", "conflict", "patient", text, NOW.isoformat())
    text = one(conflict)
    for heading in ("from", "queued", "took", "files"):
        assert f"\n{heading} " not in text
    assert "images, version" not in text
    (line,) = shown(80, jobs=(replace(conflict, job_id=IDS[2]),))[1:2]
    assert line.split()[-2:] == ["-", "-"] or line.split()[-1] == "-"


def one(job: JobState, files: str = "") -> str:
    """`jobs show` of it on a terminal of 80 columns."""
    output = StringIO()
    show_job(job, "3fa9c1d", "", files, Console(file=output, width=80, force_terminal=True), NOW)
    return output.getvalue()


def test_of_a_conflict_the_ways_to_decide_are_said_until_it_is_decided() -> None:
    conflict = JobState(f"{STUDY}-1234", "conflict", "other_image", "PixelData differ", NOW.isoformat())
    assert "\naccept    osteon jobs accept 3fa9c1d: the later versions are used\n" in one(conflict)
    assert "\ndismiss   osteon jobs dismiss 3fa9c1d: the earlier versions are kept\n" in one(conflict)
    part = one(replace(conflict, code=INCOMPLETE))
    assert "accept    not possible until the other images" in part
    assert "dismiss   osteon jobs dismiss" in part
    for state in ("accepted", "dismissed", "superseded"):
        assert "osteon jobs" not in one(replace(conflict, state=state))


@pytest.mark.parametrize("state", STATES)
def test_every_state_can_be_read_aloud(state: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line each for what is known, none for what is not, at 80 columns but for ids."""
    known = JobState(IDS[0], state, "", "", NOW.isoformat(), images=1, revision=1)
    for job in (known, replace(known, images=0, revision=0), replace(known, images=2, calling_ae="CT1")):
        rows = one(job).splitlines()
        assert all(len(row) <= 80 or row.split()[-1] in (job.job_id, job.study_instance_uid) for row in rows)
        assert not [row for row in rows if row.split()[1] == "-" or " -," in row or "1 images" in row]
        show_jobs([job], short_ids(IDS), {}, Console(width=80), NOW)
        line = capsys.readouterr().out
        assert not {"-", "to -", "from -", "took -", "1 images"} & set(line.strip().split("; "))
        assert max(map(len, shown(80, jobs=(job,)))) <= 80


@pytest.mark.parametrize(
    ("text", "index"),
    [("3fa9c1d", 0), ("3fa9c1d2e4b5a697", 0), ("ffff", 1), ("00", 2), ("1.2.9", 2), (IDS[1], 1), ("0aa", 2)],
)
def test_a_job_has_many_names(text: str, index: int) -> None:
    assert named_job(text, IDS) == IDS[index]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("3fa9c1", r"'3fa9c1' matches 2: 3fa9c1d \(1\.2\.840.*-3fa9c1d2e4b5a697\), 3fa9c1f \("),
        (STUDY, "matches 2"), ("1", "matches 3"), ("xyz", "expected the id of a job, got 'xyz'"),
        ("", "expected the id of a job, got ''"),
    ],
)  # fmt: skip
def test_a_name_that_fits_none_or_several_is_said(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        named_job(text, IDS)


def test_short_ids_are_as_long_as_they_have_to_be() -> None:
    assert short_ids(["1.2-aaaaaaaa", "1.3-bbbbbbbb"]) == {"1.2-aaaaaaaa": "aaaaaa", "1.3-bbbbbbbb": "bbbbbb"}
    assert list(short_ids(IDS).values()) == ["3fa9c1d", "3fa9c1f", "00aa"]


def step(number: int, name: str, state: str = "", ended_s: float = 0) -> dict[str, object]:
    output = {"state": state, "code": f"code{number}", "sentence": f"no {number}"} if state else None
    return {
        "function_id": number,
        "function_name": name,
        "output": output,
        "completed_at_epoch_ms": ended_s * 1000,
    }


def test_tries_are_counted_from_the_steps() -> None:
    steps = [
        step(1, "attempt", "transient", 10),
        step(2, "DBOS.sleep"),
        step(3, "attempt", "transient", 12),
        step(4, "DBOS.sleep"),
        step(5, "attempt", "transient", 20),
    ]
    assert counted(steps[:1], 0) == Attempts(1, "code1", "no 1", 2, 12_000)
    assert counted(steps[:2], 0) == Attempts(1, "code1", "no 1", 0, 0)
    assert counted(steps, 0) == Attempts(3, "code5", "no 5", 6, 28_000)
    assert counted(steps, 100_000) == Attempts(3, "code5", "no 5", 6, 108_000)
    delivered = [*steps, step(6, "DBOS.sleep"), step(7, "attempt", "delivered", 30)]
    assert counted(delivered, 0) == Attempts()
    confirmed = [*delivered, step(8, "confirm", "transient", 40)]
    assert counted(confirmed, 0) == Attempts(1, "code8", "no 8", 9, 42_000)
    assert counted([], 0) == Attempts()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s"), (59, "59 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (5e5, "6 d")],
)
def test_durations_have_one_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text
