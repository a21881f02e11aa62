"""The jobs of a study, and whether it has images that none of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbos import DBOSClient

from app.node.queue.completeness import Content
from app.node.queue.job import job_folder
from app.node.queue.workflow import SEGMENT
from app.node.studies.study_folder import new_images
from app.node.versions.moved_series import moved_series

# Attribute of a job: the number of corrections included in its instances
CORRECTIONS = "corrections"


@dataclass(frozen=True)
class StudyJobs:
    """The jobs of a study as rows of the database, oldest first."""

    rows: Sequence[Any]

    @property
    def ids(self) -> list[str]:
        """Returns the ids of the jobs."""
        return [row.workflow_id for row in self.rows]

    @property
    def corrections(self) -> int:
        """Returns the number of corrections included in the latest job."""
        return max((int((row.attributes or {}).get(CORRECTIONS, 0)) for row in self.rows), default=0)


def jobs_of_study(client: DBOSClient, study: str) -> StudyJobs:
    """Reads the jobs of a study from the database. Raises SQLAlchemyError."""
    rows = client.list_workflows(
        name=SEGMENT, workflow_id_prefix=f"{study}-", load_input=False, load_output=False
    )
    return StudyJobs(rows)


def has_new_images(data: Path, study: Path, content: Content, job_ids: Sequence[str]) -> bool:
    """Returns whether a study's folder has an image that a job should hold and none does.

    Images of a series that a later one replaces do not count, as jobs leave them out. Raises OSError if the
    study is removed meanwhile.
    """
    missing = new_images(study, content, [job_folder(data, job_id).input for job_id in job_ids])
    if not missing:
        return False
    moved = moved_series(study, content.images)
    return any(name.partition("/")[0] not in moved for name in missing)
