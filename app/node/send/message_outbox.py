"""The messages that wait to be sent, as files of the data folder: durable, and each made only once.

A message is a file in the folder of its target, and renamed once it is sent, so that it is not made again. It
holds no patient data.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import structlog

from app.node.queue.jobs.job_state import JobState
from app.node.settings.configuration import NodeSettings
from app.node.settings.messages import Event
from app.node.storage.json_file import read_json, write_json
from operators.dicom.elements.atomic_file import sync_path
from operators.errors import OsteonError

log = structlog.get_logger()

FOLDER, WAITS, SENT, STATUS = "messages", ".json", ".sent", "status"
LONGEST_SENTENCE = 1000
# Separates the event from what makes the name of a message unique
MARK = "_"


@dataclass(frozen=True)
class Message:
    """An event that somebody is told of; `peer` is the destination that it is about, if any."""

    event: Event
    what: str
    sentence: str
    at: str
    job: str = ""
    study: str = ""
    state: str = ""
    code: str = ""
    peer: str = ""


@dataclass(frozen=True)
class TargetStatus:
    """How many messages of a target wait, and what became of the latest attempt; '' for none."""

    target: str
    waiting: int
    at: str = ""
    state: str = ""
    sentence: str = ""


def outbox(data: Path) -> Path:
    """Returns the folder of all messages."""
    return data / FOLDER


def put(node: NodeSettings, message: Message, key: str) -> None:
    """Leaves a message for each target that is told of the event, unless it has had the one of that key.

    Never raises: nothing of a study may depend on whether somebody can be told of it.
    """
    for name, target in node.messages.targets.items() if node.messages else ():
        if message.event not in target.events:
            continue
        path = outbox(node.data) / name / f"{message.event}{MARK}{key}{WAITS}"
        try:
            if not (path.exists() or path.with_suffix(SENT).exists()):
                write_json(path, asdict(message))
        except (OsteonError, OSError) as error:
            code = error.code if isinstance(error, OsteonError) else "output"
            log.error("message_not_queued", target=name, event_name=message.event, code=code)


def put_job(node: NodeSettings, event: Event, what: str, job: JobState, at: str) -> None:
    """Leaves a message about a job; the same event of a job that was tried again is another one."""
    if node.messages is None or event not in node.messages.told:
        return
    sentence = job.sentence[:LONGEST_SENTENCE]
    said = Message(event, what, sentence, at, job.job_id, job.study_instance_uid, job.state, job.code)
    put(node, said, f"{job.job_id}{MARK}{job.completed_ms}")


def waiting(data: Path, target: str) -> list[tuple[Path, Message]]:
    """Returns the messages that wait for a target, the oldest first; unreadable files are left alone."""
    found = []
    for path in (outbox(data) / target).glob(f"*{WAITS}"):
        try:
            found.append((path, Message(**read_json(path))))
        except (OSError, ValueError, TypeError):
            log.error("message_unreadable", target=target)
    return sorted(found, key=lambda each: (datetime.fromisoformat(each[1].at), each[0].name))


def mark_sent(path: Path) -> None:
    """Marks a message as sent, durably. Raises OSError."""
    path.rename(path.with_suffix(SENT))
    sync_path(path.parent)


def forget_sent(data: Path, kept_jobs: Collection[str], oldest_s: float) -> None:
    """Removes the marks of messages about jobs that no longer exist, and others made before `oldest_s`."""
    for path in outbox(data).glob(f"*/*{SENT}"):
        job = path.name.split(MARK)[1]
        is_gone = job not in kept_jobs if job[:1].isdigit() else path.stat().st_mtime < oldest_s
        if is_gone:
            path.unlink(missing_ok=True)


def write_status(data: Path, target: str, at: datetime, state: str, sentence: str) -> None:
    """Records what became of the latest attempt, for the page. Raises UnwritableError."""
    values = {"at": at.isoformat(timespec="seconds"), "state": state, "sentence": sentence}
    write_json(outbox(data) / target / STATUS, values)


def status_of(data: Path, target: str) -> TargetStatus:
    """Returns the state of a target."""
    folder = outbox(data) / target
    count = sum(1 for _ in folder.glob(f"*{WAITS}"))
    try:
        return TargetStatus(target, count, **read_json(folder / STATUS))
    except (OSError, ValueError, TypeError):
        return TargetStatus(target, count)
