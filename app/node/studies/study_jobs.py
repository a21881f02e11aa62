"""The jobs that a study has, and whether there is anything of it that none of them holds."""

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

# Attribute of a job: how many corrections of its study its instances hold
CORRECTIONS = "corrections"


@dataclass(frozen=True)
class StudyJobs:
    """Rows of the database, oldest first."""

    rows: Sequence[Any]

    @property
    def ids(self) -> list[str]:
        """Returns the ids of the jobs."""
        return [row.workflow_id for row in self.rows]

    @property
    def corrections(self) -> int:
        """How many the latest job holds."""
        return max((int((row.attributes or {}).get(CORRECTIONS, 0)) for row in self.rows), default=0)


def jobs_of_study(client: DBOSClient, study: str) -> StudyJobs:
    """From the database. Raises SQLAlchemyError."""
    rows = client.list_workflows(
        name=SEGMENT, workflow_id_prefix=f"{study}-", load_input=False, load_output=False
    )
    return StudyJobs(rows)


def has_new_images(data: Path, study: Path, content: Content, job_ids: Sequence[str]) -> bool:
    """Whether a study's folder has an image that a job should hold and none does.

    An image of a series that a later one takes the place of was left out of its job, and is none.
    Raises OSError where the study goes meanwhile.
    """
    missing = new_images(study, content, [job_folder(data, job_id).input for job_id in job_ids])
    if not missing:
        return False
    moved = moved_series(study, content.images)
    return any(name.partition("/")[0] not in moved for name in missing)
