"""The studies that are still being received: they lie in the inbox, and have no job yet."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from app.node.studies.study_folder import names_below


@dataclass(frozen=True)
class ReceivingStudy:
    """A study without a job: its instances so far, and when the last one came."""

    study_instance_uid: str
    instances: int
    last_ms: int


def receiving(inbox: Path, known: Collection[str], most: int) -> list[ReceivingStudy]:
    """Returns at most `most` studies of the inbox that are not among the known ones, the latest first."""
    with suppress(FileNotFoundError), os.scandir(inbox) as entries:
        names = [entry.name for entry in entries if entry.name not in known]
        found = [study for name in names[:most] for study in _seen(inbox / name)]
        return sorted(found, key=lambda study: -study.last_ms)
    return []


def _seen(folder: Path) -> Iterator[ReceivingStudy]:
    """Yields the study in a folder, unless it is empty or removed meanwhile."""
    with suppress(FileNotFoundError, NotADirectoryError):
        if names := names_below(folder):
            last_s = max(each.stat().st_mtime for each in (folder, *folder.iterdir()))
            yield ReceivingStudy(folder.name, len(names), int(last_s * 1000))
