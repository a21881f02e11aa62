"""One study to be segmented, as it stands in the database and on the disk."""

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

from app.node.settings.configuration import Urgency
from operators.dicom.elements.atomic_file import sync_path

Json = dict[str, Any]
# Priorities count seconds from here, so that they fit into 31 bits until 2094.
EPOCH_S = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
# How much earlier, or later, than it came a study is treated as having come: nothing starves.
HEAD_START_S: dict[Urgency, float] = {"urgent": 7200, "normal": 0, "low": -7200}
# What the id of a job has behind its study's UID: the fingerprint of its instances
JOB_SUFFIX = "-[0-9a-f]{16}"
TIMED_OUT, FORMER, MAKING = "timed-out", "former", "making"


@dataclass(frozen=True)
class StudyJob:
    """`revision` counts the results of one study: late slices make a new one."""

    job_id: str
    study_instance_uid: str
    revision: int
    made_at: str
    calling_ae: str
    images: int

    @classmethod
    def of(cls, values: Json) -> StudyJob:
        """From the database."""
        return cls(**values)

    def as_json(self) -> Json:
        """For the database."""
        return asdict(self)


@dataclass(frozen=True)
class JobFolder:
    """jobs/<id>/in holds the job's own instances (links), jobs/<id>/out its results."""

    root: Path

    @property
    def input(self) -> Path:
        """The instances of this revision."""
        return self.root / "in"

    @property
    def output(self) -> Path:
        """The results."""
        return self.root / "out"

    @property
    def timed_out(self) -> Path:
        """Is there when the job took longer than it may."""
        return self.root / TIMED_OUT

    @property
    def former(self) -> Path:
        """Is there when patient or study data were corrected: its results must not leave any more."""
        return self.root / FORMER


def job_folder(data: Path, job_id: str) -> JobFolder:
    """Where a job's files are."""
    return JobFolder(data / "jobs" / job_id)


def folders_of_study(data: Path, study: str) -> tuple[str, ...]:
    """Names of the folders of a study's jobs, those included that a crash kept from being queued."""
    name = re.compile(re.escape(study) + JOB_SUFFIX)
    with suppress(FileNotFoundError), os.scandir(data / "jobs") as entries:
        return tuple(sorted(entry.name for entry in entries if name.fullmatch(entry.name)))
    return ()


def take_in(folder: JobFolder, study: Path, names: tuple[str, ...]) -> None:
    """Links a study's instances into the job, all or none; does nothing where that is done already.

    Raises FileNotFoundError where the study is no longer there; then nothing of the job is there either.
    """
    if folder.input.exists():
        return
    # A name of its own: of two who do the same, one comes first
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
    """The names in it, and those of its subfolders."""
    for path in (*(path for path in folder.iterdir() if path.is_dir()), folder):
        sync_path(path)


def priority(arrived_s: float, urgency: Urgency) -> int:
    """Smaller goes first."""
    return max(1, int(arrived_s - EPOCH_S - HEAD_START_S[urgency]))
