"""A queued job's place in the queue: held, released, before all others; and which rows have changed.

DBOS has no calls for these; reads and writes the table that it documents (workflow_status).
"""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

from app.node.queue.database import STUDIES, table_engine
from app.node.queue.decisions import CONFLICT
from app.node.queue.workflow import DELIVER, SEGMENT
from app.node.settings.configuration import NodeSettings

# 9999-12-31: a held job is DBOS's DELAYED one, whose time never comes
NEVER_MS = 253_402_300_799_000


class QueuePlaces:
    """The places of jobs in the queue. All methods raise SQLAlchemyError if the database does not answer."""

    def __init__(self, settings: NodeSettings, now_s: Callable[[], float] = time.time) -> None:
        self.engine, prefix = table_engine(settings)
        self.table, self.now_s = f"{prefix}workflow_status", now_s

    def hold(self, job_id: str) -> bool:
        """Holds a queued job; returns False if it is not queued any more."""
        return self._change("status = 'DELAYED', delay_until_epoch_ms = :never", "ENQUEUED", job_id) == 1

    def release(self, job_id: str) -> bool:
        """Releases a held job to its former place; returns False if it is not held."""
        return self._change("status = 'ENQUEUED', delay_until_epoch_ms = NULL", "DELAYED", job_id) == 1

    def put_first(self, job_id: str) -> bool:
        """Puts a queued job before all others that wait; returns False if it is not queued any more."""
        waiting = "queue_name = :queue AND status = 'ENQUEUED'"
        first = f"(SELECT MIN(priority) - 1 FROM {self.table} WHERE {waiting})"  # noqa: S608 (only constants are put in)
        # Priorities begin with 1
        place = f"priority = CASE WHEN {first} > 1 THEN {first} ELSE 1 END"
        return self._change(place, "ENQUEUED", job_id) == 1

    def stamps(self) -> dict[str, tuple[int, str]]:
        """Returns the time of the last change and the status of all jobs, deliveries and conflicts."""
        text = f"SELECT workflow_uuid, updated_at, status FROM {self.table} WHERE name IN :names"  # noqa: S608 (only constants are put in)
        statement = sa.text(text).bindparams(sa.bindparam("names", expanding=True))
        with self.engine.connect() as connection:
            rows = connection.execute(statement, {"names": [SEGMENT, DELIVER, CONFLICT]})
            return {row[0]: (row[1], row[2]) for row in rows}

    def _change(self, change: str, status: str, job_id: str) -> int:
        """Changes a job that has this status, and returns the number of changed rows."""
        condition = "workflow_uuid = :job AND name = :name AND status = :status"
        text = f"UPDATE {self.table} SET {change}, updated_at = :now_ms WHERE {condition}"  # noqa: S608 (only constants are put in)
        values = {
            "job": job_id,
            "name": SEGMENT,
            "status": status,
            "now_ms": int(self.now_s() * 1000),
            "never": NEVER_MS,
            "queue": STUDIES,
        }
        used = {key: value for key, value in values.items() if f":{key}" in text}
        with self.engine.begin() as connection:
            return connection.execute(sa.text(text), used).rowcount
