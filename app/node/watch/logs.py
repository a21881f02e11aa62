"""Structured logs: one JSON object per line on stderr, without patient data other than UIDs."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from app.library_messages import silence_libraries
from app.node.settings.redaction import redacted


def configure_logs(part: str) -> None:
    """Sets up the logs of one process; `part` is its name in every line."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_passwords,
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(part=part)
    logging.getLogger().setLevel(logging.ERROR)
    log = structlog.get_logger()
    silence_libraries(lambda event, values: log.warning(event, **values))


def without_passwords(_: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Removes passwords from a log entry, as the error of a library may quote a URL."""
    return {key: redacted(value) if isinstance(value, str) else value for key, value in event.items()}
