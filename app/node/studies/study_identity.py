"""The accession number and patient ID of a study, read from its files, as the database holds neither."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from app.node.queue.job import job_folder
from app.node.queue.jobs.job_state import study_of
from operators.dicom.headers.study_identity import patient_of


@dataclass(frozen=True)
class StudyIdentity:
    """What identifies a study for people; '' for what the files do not say."""

    accession: str = ""
    patient_id: str = ""


def identity_of(data: Path, job_id: str) -> StudyIdentity:
    """Returns the identity of a job's study, or of a conflict's."""
    found = patient_of(job_folder(data, job_id).input)
    if not (found["accession_number"] and found["patient_id"]):
        others = patient_of(data / "inbox" / study_of(job_id))
        found = {key: value or others[key] for key, value in found.items()}
    return StudyIdentity(found["accession_number"], found["patient_id"])


class StudyIdentities:
    """The identities of all jobs, kept in memory only."""

    def __init__(self, data: Path) -> None:
        self.data, self.known = data, dict[str, StudyIdentity]()
        self.lock = threading.Lock()

    def of(self, job_id: str) -> StudyIdentity:
        """Returns the identity of a job, read from its files the first time."""
        found = self.known.get(job_id)
        if found is None:
            found = identity_of(self.data, job_id)
            with self.lock:
                self.known[job_id] = found
        return found

    def keep(self, job_ids: Iterable[str], most: int) -> int:
        """Forgets removed jobs and reads at most `most` new ones; returns how many are left to read."""
        wanted = set(job_ids)
        with self.lock:
            self.known = {job_id: each for job_id, each in self.known.items() if job_id in wanted}
        missing = [job_id for job_id in wanted if job_id not in self.known]
        for job_id in missing[:most]:
            self.of(job_id)
        return len(missing[most:])
