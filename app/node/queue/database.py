"""The database of jobs: SQLite in the data folder, or PostgreSQL by its URL."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from dbos import DBOS, DBOSClient, DBOSConfig
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.node.settings.configuration import NodeSettings
from operators.dicom.elements.atomic_file import make_folder
from operators.errors import OutputError, TransientError, UsageError

APPLICATION = "osteon"
# The steps' names and order; work begun under another version is begun again (queued_work.py).
WORKFLOW_VERSION = "1"
# How long a connection may take to be made, and how soon one to a machine that is gone is given up. A server
# that merely hangs keeps its connections: whoever supervises does not wait on them (loops.py).
TIMES = {
    "connect_timeout": "5", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}  # fmt: skip
# PostgreSQL's name of the encoding that the tables' texts need
UTF8 = "UTF8"
STUDIES = "studies"
# The workflow that tells a peer what is on the disk
REPORT = "report_commitment"


def prepare_database(settings: NodeSettings) -> None:
    """Makes or updates its tables. Raises TransientError where it does not answer, see also require_utf8.

    SQLite gets a write-ahead log: one flush for each commit instead of three, and readers never wait.
    """
    logging.getLogger("dbos").setLevel(logging.ERROR)
    make_folder(settings.data, "a data folder")
    if settings.database:
        require_utf8(timely_url(settings))
    else:
        require_not_lost(settings)
        write_ahead(database_file(settings))
    try:
        DBOS.migrate(timely_url(settings))
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise unavailable(error) from error


def timely_url(settings: NodeSettings) -> str:
    """The URL of the database, with time limits for PostgreSQL where it has none of its own."""
    if not settings.database:
        return settings.database_url
    url = sa.make_url(settings.database)
    limits = {name: value for name, value in TIMES.items() if name not in url.query}
    return url.update_query_dict(limits).render_as_string(hide_password=False)


def database_file(settings: NodeSettings) -> Path:
    """SQLite's."""
    return settings.data / "osteon.sqlite"


def require_not_lost(settings: NodeSettings) -> None:
    """Raises OutputError where jobs are there without their database: a new one would know none of them."""
    path, jobs = database_file(settings), settings.data / "jobs"
    if path.exists() or not jobs.is_dir() or not any(jobs.iterdir()):
        return
    text = f"expected the database of the jobs in {jobs} at {path}, it is gone: restore it"
    raise OutputError(f"{text}, or move the folder {jobs.name} away to start over", code="database_lost")


def write_ahead(path: Path) -> None:
    """Gives SQLite its log. Raises OutputError where the file cannot be written, or is another's."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        text = f"expected the database of jobs at {path}, got: {error}"
        raise OutputError(text, code="database_unavailable") from error


def require_utf8(url: str) -> None:
    """Raises UsageError for a PostgreSQL database of another encoding, whose texts come back as bytes.

    Raises TransientError for a server that takes connections and does not answer: each further try would
    wait as long again.
    """
    try:
        with psycopg.connect(url) as connection:
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.errors.ConnectionTimeout as error:
        raise unavailable(error) from error
    except psycopg.Error:
        return  # making its tables says why it does not answer
    if encoding != UTF8:
        raise UsageError(f"expected a PostgreSQL database with the encoding {UTF8}, got {encoding}")


def executor_configuration(
    settings: NodeSettings, executor_id: str, version: str = WORKFLOW_VERSION
) -> DBOSConfig:
    """For a process that works off jobs; the same name takes up its own work again after a crash."""
    return {
        "name": APPLICATION,
        "system_database_url": timely_url(settings),
        "application_version": version,
        "executor_id": executor_id,
        "log_level": "ERROR",
        "console_log_level": "ERROR",
    }


def open_connection(settings: NodeSettings, lazy: bool = False) -> DBOSClient:
    """For a process that only adds jobs and looks at them; `lazy`: it connects when it is first used.

    Raises TransientError; SQLAlchemyError where the database does not answer later.
    """
    try:
        return DBOSClient(
            system_database_url=timely_url(settings),
            application_name=APPLICATION,
            lazy=lazy,
            retry_connection_errors=False,
        )
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(error) from error


@contextmanager
def answering() -> Iterator[None]:
    """Raises TransientError where the database does not answer."""
    try:
        yield
    except SQLAlchemyError as error:
        raise unavailable(error) from error


def unavailable(error: Exception) -> TransientError:
    """The database does not answer; its own message may hold a password."""
    unreachable = isinstance(error, OperationalError | psycopg.OperationalError)
    got = "no connection" if unreachable else "another database's answer"
    return TransientError(f"expected the database of jobs to answer, got {got}", code="database_unavailable")


def delivery_queue(peer_name: str) -> str:
    """Each destination has a queue of its own, so that none waits for another."""
    return f"deliveries-{peer_name}"


def report_queue(peer_name: str) -> str:
    """Storage commitment reports that are owed to a peer."""
    return f"reports-{peer_name}"


def enqueue_report(settings: NodeSettings, owed: dict[str, Any]) -> None:
    """Keeps a report until its peer has taken it. Raises TransientError where the database does not."""
    client = open_connection(settings)
    try:
        client.enqueue(
            {
                "workflow_name": REPORT,
                "queue_name": report_queue(owed["peer"]),
                "app_version": WORKFLOW_VERSION,
            },
            owed,
        )
    except SQLAlchemyError as error:
        raise unavailable(error) from error
    finally:
        client.destroy()
