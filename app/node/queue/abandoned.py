"""Work that nobody does any more goes back to its queue.

DBOS takes a process's own work up when that starts again. It does not where a process goes on without its
work (no memory for a thread, a database that failed), nor where a machine never comes back, nor after an
update of the workflows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from dbos import DBOS, WorkflowStatus
from sqlalchemy.exc import SQLAlchemyError

from app.node.queue.database import WORKFLOW_VERSION
from operators.errors import shortage

log = structlog.get_logger()

LOOK_S = 2.0
# Between the queue's taking of a workflow and its beginning
BEGINNING_S = 20.0


class Running:
    """The workflows that this process has in hand, pauses and all."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    @contextmanager
    def this(self) -> Iterator[None]:
        """To be entered by each workflow."""
        workflow_id = str(DBOS.workflow_id)
        self.ids.add(workflow_id)
        try:
            yield
        except SQLAlchemyError as error:
            # As an outcome it would end the study; the next process goes on after the last finished step.
            log.error("database_failed", workflow=workflow_id, error=type(error).__name__)
            os._exit(1)
        except Exception as error:
            if (short := shortage(error)) is None:
                raise
            # Between two steps, where no step can name it
            log.error("workflow_cut_off", workflow=workflow_id, code=short.code)
            os._exit(1)
        finally:
            self.ids.discard(workflow_id)


# A workflow, who has it, and that one's latest sign of life
Case = tuple[str, str, int]


class AbandonedWorkflows:
    """Gives back what its process has lost, and what a machine has that gave no sign of life for `lost_s`.

    Signs are times of files in the shared folder; only whether they change counts, so that clocks may differ.
    """

    def __init__(
        self,
        executor_id: str,
        workflows: list[str],
        running: Running,
        signs: Path,
        lost_s: float,
        version: str = WORKFLOW_VERSION,
    ) -> None:
        self.executor_id, self.workflows, self.running = executor_id, workflows, running
        self.signs, self.lost_s, self.version = signs, lost_s, version
        self.since_s: dict[Case, float] = {}
        signs.mkdir(parents=True, exist_ok=True)

    def look(self, now_s: float) -> int:
        """Says how many were given back. `now_s` is of a clock that never jumps."""
        (self.signs / self.executor_id).touch()
        rows = DBOS.list_workflows(name=self.workflows, status="PENDING", load_input=False, load_output=False)
        cases = {self._case(row): row for row in rows if row.workflow_id not in self.running.ids}
        self.since_s = {case: self.since_s.get(case, now_s) for case in cases}
        lost = [row for case, row in cases.items() if now_s - self.since_s[case] >= self._patience_s(row)]
        for row in lost:
            log.warning("work_given_back", workflow=row.workflow_id, executor=row.executor_id)
            DBOS.resume_workflow(row.workflow_id, queue_name=row.queue_name)
        return len(lost)

    def _case(self, row: WorkflowStatus) -> Case:
        sign = self.signs / str(row.executor_id)
        latest = sign.stat().st_mtime_ns if sign.exists() else 0
        is_own = row.executor_id == self.executor_id
        return row.workflow_id, str(row.executor_id), row.dequeued_at or 0 if is_own else latest

    def _patience_s(self, row: WorkflowStatus) -> float:
        if row.executor_id != self.executor_id:
            return self.lost_s
        # What an earlier process of this name began under another version is in nobody's hands
        return BEGINNING_S if row.app_version == self.version else 0.0
