"""What of a study lies in the inbox, looked up again only where something changed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from app.node.completeness import Content
from operators.dicom.instance_identity import Instance, read_instance
from operators.errors import UnreadableError

Stamp = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Seen:
    """A study's content, and the times of its folders when it was read."""

    stamp: Stamp
    content: Content


class StudyFolders:
    """The studies of an inbox."""

    def __init__(self, studies: Path) -> None:
        self.studies = studies
        self.known: dict[str, Seen] = {}

    def look(self) -> dict[str, Content]:
        """Every study with at least one instance, by its UID."""
        found: dict[str, Seen] = {}
        for entry in os.scandir(self.studies):
            if entry.is_dir() and (now := self._seen(entry.name)) and now.content.names:
                found[entry.name] = now
        self.known = found
        return {study: each.content for study, each in found.items()}

    def _seen(self, study: str) -> Seen | None:
        before = self.known.get(study)
        try:
            now = stamp(self.studies / study)
            if before is not None and before.stamp == now:
                return before
            return Seen(now, self._content(study, before))
        except FileNotFoundError:  # removed while it was looked at
            return None

    def _content(self, study: str, before: Seen | None) -> Content:
        folder = self.studies / study
        known = {each.series_instance_uid: each for each in before.content.series} if before else {}
        names: list[str] = []
        series: list[Instance] = []
        for name in sorted(path.name for path in folder.iterdir()):
            files = sorted(path.name for path in (folder / name).iterdir())
            names += (f"{name}/{file}" for file in files)
            if files:
                series.append(known.get(name) or described(study, name, folder / name / files[0]))
        return Content(tuple(names), tuple(series))


def stamp(folder: Path) -> Stamp:
    """Changes whenever an instance is added."""
    entries = [(entry.name, entry.stat().st_mtime_ns) for entry in os.scandir(folder)]
    return tuple(sorted(entries))


def described(study: str, series: str, path: Path) -> Instance:
    """What an instance says of its series; UIDs alone where it has become unreadable."""
    try:
        return read_instance(path)
    except UnreadableError:
        return Instance(study, series, path.stem, "")
