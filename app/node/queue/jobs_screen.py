"""How jobs are shown: wrapped below each other on a terminal, a line a job elsewhere."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Console

from app.node.queue.decisions import INCOMPLETE
from app.node.queue.jobs import ENDS, DeliveryState, JobState
from app.printable import counted
from app.printable import printable as escaped

# Left of what is said about a job, below it
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
    """`names` are the short ids, `accessions` the accession numbers where they were asked for."""
    if not jobs:
        console.print("no jobs: no study has come in whole yet, or all were removed", highlight=False)
    elif console.is_terminal:
        say(console, columns(HEADINGS))
        for job in jobs:
            for line in block(job, names[job.job_id], accessions.get(job.job_id), console.width, now):
                say(console, line)
    else:
        for job in jobs:
            print(plain_line(job, accessions.get(job.job_id), now))


def say(console: Console, line: str) -> None:
    """A line as it is: texts of peers and files are no markup."""
    console.print(line, markup=False, highlight=False, soft_wrap=True, emoji=False)


def block(job: JobState, name: str, accession: str | None, width: int, now: datetime) -> Iterator[str]:
    """The line of a job, and below it what there is to be said."""
    head = columns((name, *cells(job, now), to_text(job)))
    remarks = list(said(job, accession, now))
    if len(head) > width:
        head = columns((name, *cells(job, now), ""))
        named = any(not done(each) for each in job.destinations)
        remarks = remarks if named else [f"to {to_text(job)}", *remarks]
    yield head.rstrip()
    for remark in remarks:
        yield from wrapped(remark, width)


def plain_line(job: JobState, accession: str | None, now: datetime) -> str:
    """All of it in one line, with the whole id first."""
    state, age, took, sender, _ = cells(job, now)
    named = {"age": age, "took": took, "from": sender}
    parts = [f"{name} {value}" for name, value in named.items() if value != UNKNOWN]
    if job.revision:
        parts.append(counted(job.images, "image"))
    if job.destinations:
        parts.append(f"to {to_text(job)}")
    return "; ".join([job.job_id, state, *parts, *said(job, accession, now)])


def columns(values: Sequence[str]) -> str:
    """One line of the table; numbers stand to the right."""
    texts = (
        f"{value:>{width}}" if heading == "IMAGES" else f"{value:<{width}}"
        for value, width, heading in zip(values, WIDTHS, HEADINGS, strict=True)
    )
    return " ".join(texts).rstrip()


def wrapped(text: str, width: int) -> list[str]:
    """Lines of at most `width`, unless a word is longer: UIDs are copied."""
    return textwrap.wrap(
        text,
        max(width, NARROWEST),
        initial_indent=INDENT,
        subsequent_indent=INDENT + "  ",
        break_on_hyphens=False,
        break_long_words=False,
    )


def cells(job: JobState, now: datetime) -> tuple[str, ...]:
    """State, age, duration, calling AE title, number of images; UNKNOWN where nobody knows.

    A conflict has no revision, and nothing is known of who sent its versions.
    """
    now_ms = now.timestamp() * 1000
    age = duration(now.timestamp() - datetime.fromisoformat(job.created_at).timestamp())
    end_ms = job.completed_ms if job.state in ENDS and job.completed_ms else now_ms
    took = duration((end_ms - job.begun_ms) / 1000) if job.begun_ms else UNKNOWN
    images = str(job.images) if job.revision else UNKNOWN
    return job.state, age, took, printable(job.calling_ae) or UNKNOWN, images


def duration(seconds: float) -> str:
    """In the largest unit of which there are two."""
    for length_s, unit in UNITS:
        if seconds >= 2 * length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def to_text(job: JobState) -> str:
    """The destinations, by their names."""
    return ", ".join(each.peer for each in job.destinations) or UNKNOWN


def said(job: JobState, accession: str | None, now: datetime) -> Iterator[str]:
    """Finding, accession number, the reason of the state, and each destination that has not taken all."""
    if job.finding:
        yield job.finding_in_words
    if accession is not None:
        yield f"accession number {printable(accession) or 'none'}"
    told = [each for each in job.destinations if not done(each)]
    if job.sentence and not told:
        yield with_code(job.sentence, job.code) + tried(job.attempts, job.next_attempt, now)
    for each in told:
        yield destination_text(each, now)
    if told:
        yield from (f"{each.peer}: delivered" for each in job.destinations if each not in told)


def done(each: DeliveryState) -> bool:
    """Whether a destination has taken all, and there is nothing more to be said of it."""
    return each.state == "delivered" and not each.sentence


def destination_text(each: DeliveryState, now: datetime) -> str:
    """State, reason, tries."""
    reason = f": {with_code(each.sentence, each.code)}" if each.sentence else ""
    return f"{each.peer}: {each.state}{reason}{tried(each.attempts, each.next_attempt, now)}"


def with_code(sentence: str, code: str) -> str:
    """The sentence, and the code that programs know it by."""
    return f"{printable(sentence)} ({code})" if code else printable(sentence)


def tried(attempts: int, next_attempt: str, now: datetime) -> str:
    """How often it was tried in vain, and when it is tried again, by the clock on the wall."""
    if not attempts:
        return ""
    count = counted(attempts, "attempt")
    if not next_attempt:
        return f"; {count} so far, another is being made"
    at = datetime.fromisoformat(next_attempt)
    if at <= now:
        return f"; {count} so far, the next is due"
    return f"; {count} so far, the next at {at.astimezone(now.tzinfo):%H:%M:%S}"


def printable(text: str) -> str:
    """Returns the text in one line, with escapes for what would move the cursor."""
    return escaped(text, keep="")


def show_job(job: JobState, name: str, accession: str, folder: str, console: Console, now: datetime) -> None:
    """Everything about one job."""
    state, age, took, _, _ = cells(job, now)
    came = f"{datetime.fromisoformat(job.created_at).astimezone(now.tzinfo):%F %T}, {age} ago"
    rows = {
        "job": job.job_id,
        "short": name,
        "study": job.study_instance_uid,
        "state": state,
        "finding": job.finding_in_words,
        "reason": reason_of(job, now),
        **choices(job, name),
        "accession": printable(accession) or "none",
        "from": origin(job),
        "queued" if job.revision else "found": came,
        "took": took if job.begun_ms else "",
        "files": folder,
    }
    for heading, value in rows.items():
        if value:
            say_row(console, heading, value)
    for each in job.destinations:
        say_row(console, "to", destination_text(each, now))


def origin(job: JobState) -> str:
    """Says who sent how much, and which version of the study's results that makes; '' for a conflict."""
    if not job.revision:
        return ""
    sender = printable(job.calling_ae) or "an unknown sender"
    return f"{sender}, {counted(job.images, 'image')}, version {job.revision}"


def choices(job: JobState, name: str) -> dict[str, str]:
    """Returns what a person can do about a conflict that nobody has decided, by its heading."""
    if job.state != "conflict":
        return {}
    accept = f"osteon jobs accept {name}: the later versions are used"
    if job.code == INCOMPLETE:
        accept = "not before the other images have been sent too"
    return {"accept": accept, "dismiss": f"osteon jobs dismiss {name}: the former versions are kept"}


def reason_of(job: JobState, now: datetime) -> str:
    """Returns the reason of a job's state; '' where the destinations give it."""
    if any(each.sentence for each in job.destinations):
        return ""
    return with_code(job.sentence, job.code) + tried(job.attempts, job.next_attempt, now)


def say_row(console: Console, heading: str, value: str) -> None:
    """Heading and value; on a terminal what is long goes on below itself."""
    head = f"{heading:<10}"
    width = max(console.width, NARROWEST) if console.is_terminal else 10**6
    for line in textwrap.wrap(
        value,
        width,
        initial_indent=head,
        subsequent_indent=" " * 10,
        break_on_hyphens=False,
        break_long_words=False,
    ):
        say(console, line)
