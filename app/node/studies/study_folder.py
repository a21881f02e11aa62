"""Reads the content of studies in the inbox, again only if something has changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.node.queue.completeness import Content
from app.node.versions.instance_versions import count_corrections
from operators.dicom.elements.image_classes import is_acquired, is_segmentable
from operators.dicom.elements.instance_identity import Instance, read_instance
from operators.errors import UnreadableError

Stamp = tuple[int, ...]


@dataclass(frozen=True)
class SeriesFolder:
    """A series: the paths of its instances below the study, a representative, and what was read to choose it.

    The representative is an image that can be segmented, if there is one.
    """

    paths: tuple[str, ...]
    instance: Instance
    read: frozenset[str]


@dataclass(frozen=True)
class Seen:
    """A study's content, with its folders and their times when it was read.

    Two changes within a few milliseconds may have the same time, so that a study that has just changed is not
    `settled` and is read once more.
    """

    folders: tuple[Path, ...]
    stamp: Stamp
    settled: bool
    series: Mapping[str, SeriesFolder]
    content: Content


class StudyFolders:
    """The studies of an inbox; `changed` are those that changed between the last two looks."""

    def __init__(self, studies: Path) -> None:
        self.studies = studies
        self.known: dict[str, Seen] = {}
        self.changed: frozenset[str] = frozenset()

    @property
    def contents(self) -> dict[str, Content]:
        """Returns the contents found by the latest look."""
        return {study: each.content for study, each in self.known.items()}

    def look(self) -> dict[str, Content]:
        """Returns every study with at least one instance, by its UID."""
        found: dict[str, Seen] = {}
        with os.scandir(self.studies) as entries:
            names = [entry.name for entry in entries if entry.is_dir()]
        for name in names:
            if (now := self._seen(name)) and now.content.names:
                found[name] = now
        before = self.known
        changed = (name for name, now in found.items() if name in before and before[name].stamp != now.stamp)
        self.known, self.changed = found, frozenset(changed)
        return self.contents

    def _seen(self, study: str) -> Seen | None:
        before = self.known.get(study)
        try:
            if before is not None and before.settled and stamp(before.folders) == before.stamp:
                return before
            return read_study(self.studies / study, before)
        except (FileNotFoundError, NotADirectoryError):  # removed while it was being read
            return None


def read_study(folder: Path, before: Seen | None = None) -> Seen:
    """Reads the present content of a study. Raises FileNotFoundError if it is removed meanwhile."""
    known = before.series if before else {}
    names = sorted(path.name for path in folder.iterdir())
    folders = (folder, *(folder / name for name in names))
    now = stamp(folders)
    found = {name: read_series(folder, name, known.get(name)) for name in names}
    series = {name: each for name, each in found.items() if each is not None}
    corrections = count_corrections(folder.parent.parent, folder.name)
    settled = before is not None and before.stamp == now
    return Seen(folders, now, settled, series, content_of(list(series.values()), corrections))


def content_of(series: list[SeriesFolder], corrections: int = 0) -> Content:
    """Returns the content: the acquired images of the patient, or all instances if there are none."""
    counted = [each for each in series if is_acquired(each.instance.sop_class_uid)] or series
    images = [each for each in counted if is_segmentable(each.instance.sop_class_uid)]
    names = tuple(path for each in counted for path in each.paths)
    paths = names if images == counted else tuple(path for each in images for path in each.paths)
    return Content(names, tuple(each.instance for each in counted), paths, corrections)


def read_series(study: Path, name: str, before: SeriesFolder | None) -> SeriesFolder | None:
    """Reads the present content of a series, or None if it is empty; stops at an image to segment."""
    with os.scandir(study / name) as entries:
        paths = tuple(sorted([f"{name}/{entry.name}" for entry in entries]))
    if before is not None and before.paths == paths:
        return before
    instance, read = (before.instance, set(before.read)) if before else (None, set[str]())
    for path in (path for path in paths if path not in read):
        if instance is not None and is_segmentable(instance.sop_class_uid):
            break
        instance = better(instance, describe_study(study.name, name, study / path))
        read.add(path)
    return None if instance is None else SeriesFolder(paths, instance, frozenset(read))


def better(one: Instance | None, other: Instance) -> Instance:
    """Returns the better representative of a series."""
    if one is None or is_segmentable(other.sop_class_uid):
        return other
    return other if is_acquired(other.sop_class_uid) and not is_acquired(one.sop_class_uid) else one


def new_images(study: Path, content: Content, inputs: Sequence[Path]) -> list[str]:
    """Returns the images of a study that can be segmented and are in none of the jobs' folders."""
    known = {name for folder in inputs for name in names_below(folder)}
    missing = [name for name in content.images if name not in known]
    return [name for name in missing if is_segmentable(kind_of(study, name))]


def kind_of(study: Path, name: str) -> str:
    """Returns the SOP class of an instance, or '' if it has become unreadable."""
    series, _, file = name.partition("/")
    return describe_study(study.name, series, study / name).sop_class_uid if file else ""


def names_below(folder: Path) -> list[str]:
    """Returns the instances below a study's or job's folder, as `Content` names them; [] if it is missing."""
    start = len(str(folder)) + 1
    return [f"{parent}/{name}"[start:] for parent, _, names in os.walk(folder) for name in names]


def stamp(folders: tuple[Path, ...]) -> Stamp:
    """Returns the folders' times, which change whenever an instance is added. Raises FileNotFoundError."""
    return tuple([folder.stat().st_mtime_ns for folder in folders])


def describe_study(study: str, series: str, path: Path) -> Instance:
    """Reads an instance as the description of its series; only the UIDs if it has become unreadable."""
    try:
        return read_instance(path)
    except UnreadableError:
        return Instance(study, series, path.stem, "")
