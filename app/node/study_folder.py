"""What of a study lies in the inbox, looked up again only where something changed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from app.node.completeness import Content
from operators.dicom.instance_identity import Instance, read_instance
from operators.dicom.seg_files import SEG_SOP_CLASS_UIDS
from operators.errors import UnreadableError

Stamp = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Seen:
    """A study's content, and the times of its folders when it was read."""

    stamp: Stamp
    content: Content

    @property
    def described(self) -> dict[str, Instance]:
        """By the folders of the series."""
        return {each.series_instance_uid: each for each in self.content.series}


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
        """Segmentations do not count beside other series: a result that comes back begins no new job."""
        known = before.described if before else {}
        found = [one_series(self.studies / study, name, known) for name in names_in(self.studies / study)]
        series = [each for each in found if each.names]
        images = [each for each in series if each.first.sop_class_uid not in SEG_SOP_CLASS_UIDS] or series
        names = (f"{each.folder}/{name}" for each in images for name in each.names)
        return Content(tuple(names), tuple(each.first for each in images))


@dataclass(frozen=True)
class SeriesFolder:
    """The instances of one series, and what the first one says."""

    folder: str
    names: tuple[str, ...]
    first: Instance


def one_series(study: Path, name: str, known: Mapping[str, Instance]) -> SeriesFolder:
    """`known`: instances that were read before, by the folders of their series."""
    files = names_in(study / name)
    if not files:
        return SeriesFolder(name, (), Instance(study.name, name, "", ""))
    return SeriesFolder(name, files, known.get(name) or described(study.name, name, study / name / files[0]))


def names_in(folder: Path) -> tuple[str, ...]:
    """In the same order always."""
    return tuple(sorted(path.name for path in folder.iterdir()))


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
