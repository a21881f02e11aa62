"""Corrected results: SEGs that people made of a result of the node, and sent back or drew on its page.

jobs/<id>/corrected/<instance>.dcm    the corrected SEG
jobs/<id>/corrected/<instance>.json   which result it corrects, who made it, when, and what it changes
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog

from app.node.queue.job import folders_of_study, job_folder
from app.node.storage.json_file import read_json, write_json
from app.node.storage.recovery import unsettled
from app.node.studies.study_folder import SeriesFolder, StudyFolders
from app.node.watch.audit import EDITED, AuditTrail
from app.printable import printable_line
from operators.dicom.elements.atomic_file import sync_path
from operators.dicom.seg.seg_files import SEG_SOP_CLASS_UIDS, SegIdentity, read_identity
from operators.errors import UnreadableError, UsageError
from operators.evaluation.metrics import Change

log = structlog.get_logger()
RECEIVED, DRAWN = "received", "drawn"


@dataclass(frozen=True)
class EditedResult:
    """A corrected SEG: `corrects` is the file of the result in the job's output folder.

    `changes` is None until it was compared, () if it differs in nothing.
    """

    instance: str
    corrects: str
    who: str
    when: str
    how: str
    changes: tuple[Change, ...] | None = None


def filed_edits(data: Path, job_id: str) -> list[EditedResult]:
    """Returns the corrected results of a job, oldest first."""
    folder = job_folder(data, job_id).edits
    found = [edited_of(read_json(path)) for path in folder.glob("*.json")] if folder.is_dir() else []
    return sorted(found, key=lambda each: each.when)


def jobs_with_edits(data: Path) -> list[str]:
    """Returns the jobs whose results have corrected results."""
    return sorted(path.parent.name for path in (data / "jobs").glob("*/corrected"))


def job_of_edit(data: Path, instance: str) -> str:
    """Returns the job whose result a corrected result of a SOP instance UID corrects. Raises UsageError."""
    for job_id in jobs_with_edits(data):
        if any(each.instance == instance for each in filed_edits(data, job_id)):
            return job_id
    raise UsageError(f"expected the SOP instance UID of a corrected result that is filed, got {instance!r}")


def edited_of(values: Mapping[str, object]) -> EditedResult:
    """Returns a corrected result from its JSON values."""
    made = EditedResult(**{key: value for key, value in values.items() if key != "changes"})  # type: ignore[arg-type]
    rows = values.get("changes")
    return replace(made, changes=tuple(Change(**row) for row in rows)) if isinstance(rows, list) else made


def file_edit(data: Path, job_id: str, path: Path, made: EditedResult) -> bool:
    """Links a SEG into a job's corrected results; returns False if it is there already. Raises OSError."""
    folder = job_folder(data, job_id).edits
    folder.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        os.link(path, folder / f"{made.instance}.dcm")
    record = folder / f"{made.instance}.json"
    if record.exists():
        return False
    write_json(record, asdict(made))
    sync_path(folder)
    return True


def note_changes(data: Path, job_id: str, made: EditedResult, changes: tuple[Change, ...]) -> EditedResult:
    """Adds what a corrected result changes to its record. Raises OSError."""
    compared = replace(made, changes=changes)
    write_json(job_folder(data, job_id).edits / f"{made.instance}.json", asdict(compared))
    return compared


class EditedResults:
    """Looks for corrected results among what is received, and files them instead of starting jobs."""

    def __init__(self, data: Path, trail: AuditTrail, now: Callable[[], datetime]) -> None:
        self.data, self.trail, self.now = data, trail, now
        # Of each study: the SEGs that were looked at, and those that are corrected results
        self.looked: dict[str, tuple[object, frozenset[str]]] = {}

    def look(self, folders: StudyFolders) -> None:
        """Files the corrected results that were received since the last look."""
        self.looked = {study: each for study, each in self.looked.items() if study in folders.known}
        for study, seen in folders.known.items():
            segs = {path: each for each in seen.series.values() if is_seg(each) for path in each.paths}
            if not segs:
                continue
            jobs = folders_of_study(self.data, study)
            mark = (frozenset(segs), results_of(self.data, jobs))
            known = self.looked.get(study)
            if (known and known[0] == mark) or unsettled(self.data / "incoming", study):
                continue
            filed = frozenset(path for path, each in segs.items() if self._file(study, path, each, jobs))
            self.looked[study] = mark, filed

    def are_all_of(self, study: str, names: Iterable[str]) -> bool:
        """Returns whether all of these instances of a study are corrected results."""
        return study in self.looked and set(names) <= self.looked[study][1]

    def _file(self, study: str, name: str, series: SeriesFolder, jobs: tuple[str, ...]) -> bool:
        """Files a SEG if it was made from a result; returns whether it was."""
        path = self.data / "inbox" / study / name
        try:
            edited = read_identity(path)
            own = list(own_results(self.data, jobs))
            if edited.sop_instance_uid in {each.sop_instance_uid for _, _, each in own}:
                return False
            found = [(job, file) for job, file, each in own if edited.is_made_from(each)]
            if not found:
                return False
            job, file = found[-1]
            who = printable_line(edited.creator or series.instance.source_ae)
            when = self.now().isoformat(timespec="seconds")
            made = EditedResult(edited.sop_instance_uid, file, who, when, RECEIVED)
            if file_edit(self.data, job, path, made):
                self.trail.changed(study, 1, EDITED, who)
                log.info("corrected_result_filed", job=job)
        except UnreadableError:
            return False
        except OSError as error:
            log.error("corrected_result_not_filed", study_instance_uid=study, error=error.strerror)
            return False
        return True


def is_seg(series: SeriesFolder) -> bool:
    """Returns whether a series holds segmentations."""
    return series.instance.sop_class_uid in SEG_SOP_CLASS_UIDS


def results_of(data: Path, jobs: Iterable[str]) -> tuple[str, ...]:
    """Returns the SEGs among the results of jobs, as paths below the folder of jobs."""
    found = (path for job in jobs for path in job_folder(data, job).output.glob("*.dcm"))
    return tuple(sorted(f"{path.parent.parent.name}/{path.name}" for path in found))


def own_results(data: Path, jobs: Iterable[str]) -> Iterator[tuple[str, str, SegIdentity]]:
    """Yields job, file and identity of each SEG that a job wrote, those of the latest job last."""
    folders = sorted((job_folder(data, job) for job in jobs), key=lambda each: each.root.stat().st_mtime)
    for folder in folders:
        for path in sorted(folder.output.glob("segmentation*.dcm")):
            with suppress(UnreadableError):
                yield folder.root.name, path.name, read_identity(path)
