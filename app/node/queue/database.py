"""The database of jobs: SQLite in the data folder, or PostgreSQL at a URL."""

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
# Version of the steps' names and order; work begun under another version starts over (queued_work.py).
WORKFLOW_VERSION = "1"
# How long connecting may take, and after what time a connection to a lost machine is given up. A server that
# merely hangs keeps its connections; the supervising thread does not wait for them (loops.py).
TIMES = {
    "connect_timeout": "5", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
    "tcp_user_timeout": "25000",
}  # fmt: skip
# PostgreSQL's name of the encoding that the tables require
UTF8 = "UTF8"
STUDIES = "studies"
# Begins what follows a destination's name in that of a delivery that withdraws or corrects what it has
LATER = "~"
WITHDRAWAL, CORRECTION = f"{LATER}withdrawal", f"{LATER}correction"
# The workflow that sends a storage commitment report
REPORT = "report_commitment"


def prepare_database(settings: NodeSettings) -> None:
    """Creates or updates the tables. Raises TransientError if the database does not answer; see require_utf8.

    SQLite uses a write-ahead log: one flush per commit instead of three, and readers never wait.
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
    """Returns the URL of the database; for PostgreSQL with time limits, unless it sets its own."""
    if not settings.database:
        return settings.database_url
    url = sa.make_url(settings.database)
    limits = {name: value for name, value in TIMES.items() if name not in url.query}
    return url.update_query_dict(limits).render_as_string(hide_password=False)


def table_engine(settings: NodeSettings) -> tuple[sa.Engine, str]:
    """Returns an engine for the tables that DBOS documents, and the prefix of their names."""
    url = sa.make_url(timely_url(settings))
    is_sqlite = url.drivername.startswith("sqlite")
    prefix, driver = ("", url.drivername) if is_sqlite else ("dbos.", "postgresql+psycopg")
    return sa.create_engine(url.set(drivername=driver), pool_size=1, pool_pre_ping=True), prefix


def database_file(settings: NodeSettings) -> Path:
    """Returns the path of SQLite's file."""
    return settings.data / "osteon.sqlite"


def require_not_lost(settings: NodeSettings) -> None:
    """Raises OutputError if jobs exist without their database, as a new database would not know them."""
    path, jobs = database_file(settings), settings.data / "jobs"
    if path.exists() or not jobs.is_dir() or not any(jobs.iterdir()):
        return
    text = f"expected the database of the jobs in {jobs} at {path}, it is missing: restore it"
    raise OutputError(f"{text}, or move the folder {jobs.name} away to start over", code="database_lost")


def write_ahead(path: Path) -> None:
    """Enables SQLite's write-ahead log. Raises OutputError if the file is unwritable or no database."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        text = f"expected the database of jobs at {path}, got: {error}"
        raise OutputError(text, code="database_unavailable") from error


def require_utf8(url: str) -> None:
    """Raises UsageError for a PostgreSQL database with another encoding, which would return text as bytes.

    Raises TransientError for a server that accepts connections but does not answer, as every further attempt
    would wait just as long.
    """
    try:
        with psycopg.connect(url) as connection:
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.errors.ConnectionTimeout as error:
        raise unavailable(error) from error
    except psycopg.Error:
        return  # creating the tables reports why it does not answer
    if encoding != UTF8:
        raise UsageError(f"expected a PostgreSQL database with the encoding {UTF8}, got {encoding}")


def executor_configuration(
    settings: NodeSettings, executor_id: str, version: str = WORKFLOW_VERSION
) -> DBOSConfig:
    """Returns DBOS's configuration for a process that runs jobs; one of the same name resumes its work."""
    return {
        "name": APPLICATION,
        "system_database_url": timely_url(settings),
        "application_version": version,
        "executor_id": executor_id,
        "log_level": "ERROR",
        "console_log_level": "ERROR",
    }


def open_connection(settings: NodeSettings, lazy: bool = False) -> DBOSClient:
    """Returns a client that only adds and reads jobs; if `lazy`, it connects when it is first used.

    Raises TransientError. The client raises SQLAlchemyError if the database does not answer later.
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
    """Raises TransientError if the database does not answer within the context."""
    try:
        yield
    except SQLAlchemyError as error:
        raise unavailable(error) from error


def unavailable(error: Exception) -> TransientError:
    """Returns the error for a database that does not answer, whose own message may hold a password."""
    unreachable = isinstance(error, OperationalError | psycopg.OperationalError)
    got = "no connection" if unreachable else "another database's answer"
    return TransientError(f"expected the database of jobs to answer, got {got}", code="database_unavailable")


def delivery_queue(name: str) -> str:
    """Returns the queue of a delivery; each destination has its own, so that none waits for another."""
    return f"deliveries-{name.partition(LATER)[0]}"


def report_queue(peer_name: str) -> str:
    """Returns the name of the queue of storage commitment reports to a peer."""
    return f"reports-{peer_name}"


def enqueue_report(settings: NodeSettings, owed: dict[str, Any]) -> None:
    """Queues a report until its peer has received it. Raises TransientError if the database fails."""
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
