"""Adopts work that was queued or begun under another version of the workflows.

DBOS gives a queued workflow only to a process of the workflow's version, or, if it has none, of the version
registered last. After an update or a downgrade it would wait forever. Reads and writes the tables that DBOS
documents (workflow_status, operation_outputs).
"""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
import structlog

from app.node.queue.database import APPLICATION, table_engine
from app.node.settings.configuration import NodeSettings

log = structlog.get_logger()

OTHERS = (
    "status = 'ENQUEUED' AND name IN :names"
    " AND (application_version IS NULL OR application_version <> :version)"
    " AND (application_name IS NULL OR application_name = :application)"
)


class QueuedWork:
    """The queued workflows with some names; `version` is that of this process."""

    def __init__(self, settings: NodeSettings, workflows: Sequence[str], version: str) -> None:
        self.engine, schema = table_engine(settings)
        self.values = {"names": list(workflows), "version": version, "application": APPLICATION}
        self.look = self._text(f"SELECT 1 FROM {schema}workflow_status WHERE {OTHERS} LIMIT 1")  # noqa: S608 (only constants are put in)
        self.take = self._text(
            f"UPDATE {schema}workflow_status SET application_version = :version WHERE {OTHERS} "  # noqa: S608 (only constants are put in)
            "RETURNING workflow_uuid"
        )
        self.forget = sa.text(f"DELETE FROM {schema}operation_outputs WHERE workflow_uuid = :workflow")  # noqa: S608 (only constants are put in)

    def _text(self, statement: str) -> sa.TextClause:
        return sa.text(statement).bindparams(sa.bindparam("names", expanding=True))

    def adopt(self) -> int:
        """Assigns such workflows to this version and returns their number. Raises SQLAlchemyError.

        Begun ones start over, as the steps of another version may differ in name and order. Repeated steps
        make the same objects with the same UIDs.
        """
        with self.engine.connect() as connection:
            if connection.execute(self.look, self.values).first() is None:
                return 0
        with self.engine.begin() as connection:
            found = [row[0] for row in connection.execute(self.take, self.values)]
            for workflow in found:
                connection.execute(self.forget, {"workflow": workflow})
        log.info("work_adopted", workflows=len(found), version=self.values["version"])
        return len(found)
