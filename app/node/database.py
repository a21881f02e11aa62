"""The database of jobs: SQLite in the data folder, or PostgreSQL by its URL."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import Any

import psycopg
from dbos import DBOS, DBOSClient, DBOSConfig
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.node.configuration import NodeSettings
from operators.errors import OutputError, TransientError, UsageError

APPLICATION = "osteon"
# The steps' names and order; work begun under another version is not gone on with.
WORKFLOW_VERSION = "1"
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
    make_data_folder(settings.data)
    if not settings.database:
        write_ahead(settings.data / "osteon.sqlite")
    else:
        require_utf8(settings.database)
    try:
        DBOS.migrate(settings.database_url)
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(error) from error


def make_data_folder(folder: Path) -> None:
    """Raises OutputError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"expected a data folder that can be written, got {folder}: {error.strerror}"
        raise OutputError(text, code="output_unwritable") from error


def write_ahead(path: Path) -> None:
    """Gives SQLite its log. Raises OutputError where the file cannot be written, or is another's."""
    try:
        with sqlite3.connect(path) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        text = f"expected the database of jobs at {path}, got: {error}"
        raise OutputError(text, code="database_unavailable") from error


def require_utf8(url: str) -> None:
    """Raises UsageError for a PostgreSQL database of another encoding, whose texts come back as bytes."""
    try:
        with psycopg.connect(url) as connection:
            encoding = connection.info.parameter_status("server_encoding")
    except psycopg.Error:
        return  # making its tables says why it does not answer
    if encoding != UTF8:
        raise UsageError(f"expected a PostgreSQL database with the encoding {UTF8}, got {encoding}")


def executor_configuration(settings: NodeSettings, executor_id: str) -> DBOSConfig:
    """For a process that works off jobs; the same name takes up its own work again after a crash."""
    return {
        "name": APPLICATION,
        "system_database_url": settings.database_url,
        "application_version": WORKFLOW_VERSION,
        "executor_id": executor_id,
        "log_level": "ERROR",
        "console_log_level": "ERROR",
    }


def connected(settings: NodeSettings) -> DBOSClient:
    """For a process that only adds jobs and looks at them. Raises TransientError."""
    try:
        return DBOSClient(system_database_url=settings.database_url, application_name=APPLICATION)
    except (SQLAlchemyError, OSError) as error:
        raise unavailable(error) from error


def unavailable(error: Exception) -> TransientError:
    """The database does not answer; its own message may hold a password."""
    got = "no connection" if isinstance(error, OperationalError) else "another database's answer"
    return TransientError(f"expected the database of jobs to answer, got {got}", code="database_unavailable")


def delivery_queue(peer_name: str) -> str:
    """Each destination has a queue of its own, so that none waits for another."""
    return f"deliveries-{peer_name}"


def report_queue(peer_name: str) -> str:
    """Storage commitment reports that are owed to a peer."""
    return f"reports-{peer_name}"


def enqueue_report(settings: NodeSettings, owed: dict[str, Any]) -> None:
    """Keeps a report until its peer has taken it. Raises TransientError where the database does not."""
    client = connected(settings)
    try:
        client.enqueue({"workflow_name": REPORT, "queue_name": report_queue(owed["peer"])}, owed)
    except SQLAlchemyError as error:
        raise unavailable(error) from error
    finally:
        client.destroy()
