"""Returns abandoned workflows to their queues.

DBOS resumes the work of a process when that process restarts. It does not if the process keeps running
without its work (no memory for a thread, a failed database), if a machine never comes back, or after an
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
# Time that may pass between taking a workflow from its queue and starting it
BEGINNING_S = 20.0


class Running:
    """The workflows in progress in this process, including those in a pause."""

    def __init__(self) -> None:
        self.ids: set[str] = set()

    @contextmanager
    def this(self) -> Iterator[None]:
        """Registers the calling workflow as running within the context."""
        workflow_id = str(DBOS.workflow_id)
        self.ids.add(workflow_id)
        try:
            yield
        except SQLAlchemyError as error:
            # As an outcome it would end the study; the next process continues after the last finished step.
            log.error("database_failed", workflow=workflow_id, error=type(error).__name__)
            os._exit(1)
        except Exception as error:
            if (short := shortage(error)) is None:
                raise
            # Raised between two steps, so that no step reports it
            log.error("workflow_cut_off", workflow=workflow_id, code=short.code)
            os._exit(1)
        finally:
            self.ids.discard(workflow_id)


# A workflow, its executor, and the executor's last heartbeat
Case = tuple[str, str, int]


class AbandonedWorkflows:
    """Returns workflows that this process has lost, and those of machines without heartbeat for `lost_s`.

    Heartbeats are the times of files in the shared folder `signs`; only changes count, so that clocks may
    differ.
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
        """Returns abandoned workflows to their queues; the result is their number. `now_s` is monotonic."""
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
        # Nobody runs what an earlier process of this name started under another version
        return BEGINNING_S if row.app_version == self.version else 0.0
