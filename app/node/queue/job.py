"""The job of segmenting one study, as it is stored in the database and on disk."""

from __future__ import annotations

import os
import re
import shutil
import uuid
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.node.settings.peer import Urgency
from operators.dicom.elements.atomic_file import sync_path

Json = dict[str, Any]
# Priorities count seconds from here, so that they fit into 31 bits until 2094.
EPOCH_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
# Seconds by which a study counts as received earlier (or later, if negative), so that no study starves.
HEAD_START_S: dict[Urgency, float] = {"urgent": 7200, "normal": 0, "low": -7200}
# Suffix of a job's id after the study's UID: the fingerprint of its instances
JOB_SUFFIX = "-[0-9a-f]{16}"
MAKING = "making"


@dataclass(frozen=True)
class StudyJob:
    """A job; `revision` counts the results of one study, as late slices lead to a new one."""

    job_id: str
    study_instance_uid: str
    revision: int
    made_at: str
    calling_ae: str
    images: int

    def as_json(self) -> Json:
        """Returns the job as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class JobFolder:
    """The folder of a job: jobs/<id>/in holds links to its instances, jobs/<id>/out its results."""

    root: Path

    @property
    def input(self) -> Path:
        """Returns the folder of the instances of this revision."""
        return self.root / "in"

    @property
    def output(self) -> Path:
        """Returns the folder of the results."""
        return self.root / "out"

    @property
    def edits(self) -> Path:
        """Returns the folder of corrected results, which people made of the results."""
        return self.root / "corrected"

    @property
    def timed_out(self) -> Path:
        """Returns the path that exists if the job exceeded its time limit."""
        return self.root / "timed-out"

    @property
    def former(self) -> Path:
        """Returns the path that exists if patient or study data were corrected: results must not be sent."""
        return self.root / "former"


def job_folder(data: Path, job_id: str) -> JobFolder:
    """Returns the folder of a job."""
    return JobFolder(data / "jobs" / job_id)


def correction_folder(instance: str) -> str:
    """Returns the folder of the results of a corrected SEG below the output folder, with a slash."""
    return f"corrected/{instance}/"


def folders_of_study(data: Path, study: str) -> tuple[str, ...]:
    """Returns the names of a study's job folders, including those that a crash kept from being queued."""
    name = re.compile(re.escape(study) + JOB_SUFFIX)
    with suppress(FileNotFoundError), os.scandir(data / "jobs") as entries:
        return tuple(sorted(entry.name for entry in entries if name.fullmatch(entry.name)))
    return ()


def take_in(folder: JobFolder, study: Path, names: tuple[str, ...]) -> None:
    """Links a study's instances into the job, all or none; does nothing if they are linked already.

    Raises FileNotFoundError if the study is gone; then nothing of the job remains either.
    """
    if folder.input.exists():
        return
    # A unique name, so that of two processes that do this at once, one succeeds
    making = folder.root / f"{MAKING}-{uuid.uuid4().hex}"
    try:
        for name in names:
            link = making / name
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(study / name, link)
        make_durable(making)
        making.rename(folder.input)
    except OSError:
        if not folder.input.exists():
            shutil.rmtree(making, ignore_errors=True)
            with suppress(OSError):
                folder.root.rmdir()
            raise
    for left in folder.root.glob(f"{MAKING}*"):
        shutil.rmtree(left, ignore_errors=True)
    sync_path(folder.root)
    sync_path(folder.root.parent)


def make_durable(folder: Path) -> None:
    """Flushes the names in a folder and in its subfolders."""
    for path in (*(path for path in folder.iterdir() if path.is_dir()), folder):
        sync_path(path)


def priority(arrived_s: float, urgency: Urgency) -> int:
    """Returns the priority of a study; smaller values go first."""
    return max(1, int(arrived_s - EPOCH_S - HEAD_START_S[urgency]))
