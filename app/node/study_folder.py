"""What of a study lies in the inbox, looked up again only where something changed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.node.completeness import Content
from operators.dicom.instance_identity import Instance, read_instance
from operators.errors import UnreadableError

# Made from images, often by us, and sent along when a PACS routes a study: they make no new work.
DERIVED = frozenset(("SEG", "SR", "PR", "KO", "RTSTRUCT"))
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
            known = before.content.series if before else ()
            return Seen(now, content_of(self.studies / study, known))
        except FileNotFoundError:  # removed while it was looked at
            return None


def content_of(folder: Path, known: Sequence[Instance] = ()) -> Content:
    """What counts of a study: its images; where there are none, all that there is."""
    described_before = {each.series_instance_uid: each for each in known}
    found: list[tuple[Instance, list[str]]] = []
    for name in sorted(path.name for path in folder.iterdir()):
        files = sorted(path.name for path in (folder / name).iterdir())
        if files:
            series = described_before.get(name) or described(folder.name, name, folder / name / files[0])
            found.append((series, [f"{name}/{file}" for file in files]))
    images = [each for each in found if each[0].modality not in DERIVED] or found
    names = tuple(name for _, names in images for name in names)
    return Content(names, tuple(series for series, _ in images))


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
