"""Reports warnings, log records and exceptions of libraries without the values that their messages quote.

pydicom, for example, puts the value of an invalid attribute into a warning and a log record, which Python
prints to stderr by default; `int("DOE^JOHN")` puts it into the message of an exception. Only category, module
and line are reported, and for exceptions the types and frames.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from operators.errors import OsteonError, as_osteon_error

# Takes the name of an event and its values, none of which comes from a data set
Tell = Callable[[str, dict[str, Any]], None]


def frames_of(error: BaseException) -> str:
    """Returns a traceback of types and frames, including those of causes, without any message."""
    return "".join(_frames(traceback.TracebackException.from_exception(error)))


def defect_values(error: BaseException) -> dict[str, Any]:
    """Returns the log values of an unexpected error: its code and the frames of its traceback."""
    return {"code": OsteonError.code, "traceback": frames_of(error)}


def error_values(error: BaseException) -> dict[str, Any]:
    """Returns the log values of an error: its code, and nothing that quotes a file's content.

    An error of the file system adds its own text, an unexpected error the frames of its traceback.
    """
    known = as_osteon_error(error)
    if known is not None:
        return {"code": known.code}
    if isinstance(error, OSError):
        return {"code": "file", "error": type(error).__name__, "text": str(error.strerror)}
    return defect_values(error)


def _frames(error: traceback.TracebackException) -> list[str]:
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [*_frames(before), "the above was followed by\n"] if before else []
    for each in error.exceptions or ():
        lines += _frames(each)
    kind = error.exc_type
    name = f"{kind.__module__}.{kind.__qualname__}" if kind else "unknown"
    return [*lines, *error.stack.format(), f"{name}\n"]


def silence_libraries(tell: Tell) -> None:
    """Sends warnings, log records of level ERROR or above and unhandled exceptions to `tell` only.

    Each place in a library's code is reported once.
    """
    once = _Once(tell)

    def show_warning(
        message: Warning | str,  # noqa: ARG001
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,  # noqa: ARG001
        line: str | None = None,  # noqa: ARG001
    ) -> None:
        place = {"category": category.__name__, "module": module_of(filename), "line": lineno}
        once("library_warning", place)

    def show_defect(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
        tell("defect", {"traceback": frames_of(error)})

    logging.captureWarnings(False)
    warnings.showwarning = show_warning
    logging.getLogger().handlers = [_Handler(once)]
    # DBOS adds its own handler, which prints messages, only if there is none yet
    logging.getLogger("dbos").handlers = [_Handler(once)]
    logging.getLogger("dbos").propagate = False
    sys.excepthook = show_defect
    sys.unraisablehook = lambda failed: once("unraisable", {"error": failed.exc_type.__name__})
    threading.excepthook = lambda failed: tell("thread_ended", {"error": failed.exc_type.__name__})


def module_of(filename: str) -> str:
    """Returns the dotted name of a module from its file, without the folders above the packages."""
    parts = Path(filename).with_suffix("").parts
    installed = [n + 1 for n, part in enumerate(parts) if part in ("site-packages", "dist-packages")]
    return ".".join(parts[max(installed, default=-2) :])


class _Once:
    """Reports each event once, and at most `MOST` different ones."""

    MOST = 1000

    def __init__(self, tell: Tell) -> None:
        self.tell, self.seen = tell, set[str]()

    def __call__(self, event: str, values: dict[str, Any]) -> None:
        key = f"{event} {values}"
        if key not in self.seen and len(self.seen) < self.MOST:
            self.seen.add(key)
            self.tell(event, values)


class _Handler(logging.Handler):
    """Reports the origin of log records, without their text."""

    def __init__(self, once: _Once) -> None:
        super().__init__(logging.ERROR)
        self.once = once

    def emit(self, record: logging.LogRecord) -> None:
        """Reports one record; never raises, as all values come from the library's code."""
        error = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        place = {"logger": record.name, "level": record.levelname, "line": record.lineno, "error": error}
        self.once("library_message", place)
