"""Shows jobs: a table with wrapped remarks on a terminal, one line per job elsewhere."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Console

from app.node.queue.decisions import INCOMPLETE
from app.node.queue.jobs.job_state import ENDS, DeliveryState, JobState
from app.printable import counted, printable_line

# Indent of the remarks below a job
INDENT = "    "
HEADINGS = ("JOB", "STATE", "AGE", "TOOK", "FROM", "IMAGES", "TO")
UNKNOWN = "-"
WIDTHS = (7, 10, 6, 6, 16, 6, 0)
UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"))
NARROWEST = 40


def show_jobs(
    jobs: Sequence[JobState],
    names: Mapping[str, str],
    accessions: Mapping[str, str],
    console: Console,
    now: datetime,
) -> None:
    """Prints jobs; `names` are their short ids, `accessions` their accession numbers if asked for."""
    if not jobs:
        console.print("no jobs: no study is complete yet, or all were removed", highlight=False)
    elif console.is_terminal:
        say(console, columns(HEADINGS))
        for job in jobs:
            for line in block(job, names[job.job_id], accessions.get(job.job_id), console.width, now):
                say(console, line)
    else:
        for job in jobs:
            print(plain_line(job, accessions.get(job.job_id), now))


def say(console: Console, line: str) -> None:
    """Prints a line without markup, as it may hold text from peers and files."""
    console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)


def block(job: JobState, name: str, accession: str | None, width: int, now: datetime) -> Iterator[str]:
    """Yields the line of a job and the remarks below it."""
    head = columns((name, *cells(job, now), to_text(job)))
    remarks = list(remarks_of(job, accession, now))
    if len(head) > width:
        head = columns((name, *cells(job, now), ""))
        named = any(not is_done(each) for each in job.destinations)
        remarks = remarks if named else [f"to {to_text(job)}", *remarks]
    yield head.rstrip()
    for remark in remarks:
        yield from wrapped(remark, width)


def plain_line(job: JobState, accession: str | None, now: datetime) -> str:
    """Returns everything about a job in one line, beginning with its whole id."""
    state, age, took, sender, _ = cells(job, now)
    named = {"age": age, "took": took, "from": sender}
    parts = [f"{name} {value}" for name, value in named.items() if value != UNKNOWN]
    if job.revision:
        parts.append(counted(job.images, "image"))
    if job.destinations:
        parts.append(f"to {to_text(job)}")
    return "; ".join([job.job_id, state, *parts, *remarks_of(job, accession, now)])


def columns(values: Sequence[str]) -> str:
    """Returns one line of the table; numbers are right-aligned."""
    texts = (
        f"{value:>{width}}" if heading == "IMAGES" else f"{value:<{width}}"
        for value, width, heading in zip(values, WIDTHS, HEADINGS, strict=True)
    )
    return " ".join(texts).rstrip()


def wrapped(text: str, width: int, head: str = INDENT, indent: str = f"{INDENT}  ") -> list[str]:
    """Returns lines of at most `width`; longer words are not broken, so that UIDs can be copied."""
    return textwrap.wrap(
        text,
        max(width, NARROWEST),
        initial_indent=head,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def cells(job: JobState, now: datetime) -> tuple[str, ...]:
    """Returns state, age, duration, calling AE title and number of images; UNKNOWN for unknown values.

    A conflict has no revision, and the sender of its versions is unknown.
    """
    now_ms = now.timestamp() * 1000
    age = duration(now.timestamp() - datetime.fromisoformat(job.created_at).timestamp())
    end_ms = job.completed_ms if job.state in ENDS and job.completed_ms else now_ms
    took = duration((end_ms - job.begun_ms) / 1000) if job.begun_ms else UNKNOWN
    images = str(job.images) if job.revision else UNKNOWN
    return job.state, age, took, printable_line(job.calling_ae) or UNKNOWN, images


def duration(seconds: float) -> str:
    """Returns a duration in the largest unit of which it has at least two."""
    for length_s, unit in UNITS:
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def to_text(job: JobState) -> str:
    """Returns the names of the destinations."""
    return ", ".join(each.peer for each in job.destinations) or UNKNOWN


def remarks_of(job: JobState, accession: str | None, now: datetime) -> Iterator[str]:
    """Yields finding, accession number, reason of the state, and the destinations unless all are done."""
    if job.finding:
        yield job.finding_in_words
    if accession is not None:
        yield f"accession number {printable_line(accession) or 'none'}"
    unfinished = [each for each in job.destinations if not is_done(each)]
    if job.sentence and not unfinished:
        yield with_code(job.sentence, job.code) + attempts_text(job.attempts, job.next_attempt, now)
    for each in unfinished:
        yield destination_text(each, now)
    if unfinished:
        yield from (f"{each.peer}: delivered" for each in job.destinations if each not in unfinished)


def is_done(each: DeliveryState) -> bool:
    """Returns whether a destination has received everything without a remark."""
    return each.state == "delivered" and not each.sentence


def destination_text(each: DeliveryState, now: datetime) -> str:
    """Returns the state of a delivery, its reason and its attempts."""
    reason = f": {with_code(each.sentence, each.code)}" if each.sentence else ""
    return f"{each.peer}: {each.state}{reason}{attempts_text(each.attempts, each.next_attempt, now)}"


def with_code(sentence: str, code: str) -> str:
    """Returns a sentence followed by its code in brackets."""
    return f"{printable_line(sentence)} ({code})" if code else printable_line(sentence)


def attempts_text(attempts: int, next_attempt: str, now: datetime) -> str:
    """Returns the number of failed attempts and the local time of the next one."""
    if not attempts:
        return ""
    count = counted(attempts, "attempt")
    if not next_attempt:
        return f"; {count} so far, another is running"
    at = datetime.fromisoformat(next_attempt)
    if at <= now:
        return f"; {count} so far, the next is due"
    return f"; {count} so far, the next at {at.astimezone(now.tzinfo):%H:%M:%S}"


def show_job(job: JobState, name: str, accession: str, folder: str, console: Console, now: datetime) -> None:
    """Prints everything about one job."""
    state, age, took, _, _ = cells(job, now)
    created = f"{datetime.fromisoformat(job.created_at).astimezone(now.tzinfo):%F %T}, {age} ago"
    rows = {
        "job": job.job_id,
        "short": name,
        "study": job.study_instance_uid,
        "state": state,
        "finding": job.finding_in_words,
        "reason": reason_of(job, now),
        **choices(job, name),
        "accession": printable_line(accession) or "none",
        "from": origin(job),
        "queued" if job.revision else "found": created,
        "took": took if job.begun_ms else "",
        "files": folder,
    }
    for heading, value in rows.items():
        if value:
            say_row(console, heading, value)
    for each in job.destinations:
        say_row(console, "to", destination_text(each, now))


def origin(job: JobState) -> str:
    """Returns the sender, the number of images and the version of the results; '' for a conflict."""
    if not job.revision:
        return ""
    sender = printable_line(job.calling_ae) or "an unknown sender"
    return f"{sender}, {counted(job.images, 'image')}, version {job.revision}"


def choices(job: JobState, name: str) -> dict[str, str]:
    """Returns the possible decisions about an open conflict, by their headings."""
    if job.state != "conflict":
        return {}
    accept = f"osteon jobs accept {name}: the later versions are used"
    if job.code == INCOMPLETE:
        accept = "not possible until the other images have been sent too"
    return {"accept": accept, "dismiss": f"osteon jobs dismiss {name}: the earlier versions are kept"}


def reason_of(job: JobState, now: datetime) -> str:
    """Returns the reason of a job's state, or '' if its destinations state it."""
    if any(each.sentence for each in job.destinations):
        return ""
    return with_code(job.sentence, job.code) + attempts_text(job.attempts, job.next_attempt, now)


def say_row(console: Console, heading: str, value: str) -> None:
    """Prints a heading and its value, which is wrapped in its column on a terminal."""
    width = console.width if console.is_terminal else 10**6
    for line in wrapped(value, width, f"{heading:<10}", " " * 10):
        say(console, line)
