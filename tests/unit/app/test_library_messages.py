"""Warnings, log records and exceptions of libraries lose quoted data in every process that asks for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from app.library_messages import error_values, frames_of, module_of
from operators.errors import TransientError, UnreadableError

NAME = "DOE^JOHN"
BEGIN = """
import logging, sys, threading, warnings
import structlog
from app.node.watch.logs import configure_logs
configure_logs("part")
"""
SAID = {
    "warning": "import pydicom.valuerep as v; v.validate_value('IS', 'DOE^JOHN', 1)",
    "warnings of one place": "[warnings.warn('DOE^JOHN' + str(n)) for n in range(1000)]",
    "logger": "logging.getLogger('pydicom').warning('DOE^JOHN')",
    "error of a logger": "logging.getLogger('any').error('%s', 'DOE^JOHN', exc_info=ValueError('DOE^JOHN'))",
    "DBOS": "import dbos._logger as d; d.init_logger(); d.dbos_logger.error('DOE^JOHN')",
    "end": "int('DOE^JOHN')",
    "thread": "t = threading.Thread(target=int, args=('DOE^JOHN',)); t.start(); t.join()",
    "destructor": "type('T', (), {'__del__': lambda self: int('DOE^JOHN')})()",
    "cause": "try:\n    int('DOE^JOHN')\nexcept ValueError as e:\n    raise RuntimeError('DOE^JOHN') from e",
    "group": "raise ExceptionGroup('DOE^JOHN', [ValueError('DOE^JOHN')])",
}


@pytest.mark.parametrize("way", SAID)
def test_no_way_to_stderr_quotes_a_value(way: str) -> None:
    """The script is no file, so that its own source lines are in no traceback."""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", BEGIN + SAID[way]], capture_output=True, text=True, check=False
    )
    assert NAME not in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) <= 2
    if way not in ("logger",):
        assert any(word in done.stderr for word in ("Warning", "Error", "library_message")), done.stderr


def test_a_traceback_has_frames_and_types_and_no_message() -> None:
    try:
        int(NAME)
    except ValueError as error:
        trace = frames_of(error)
    assert "builtins.ValueError" in trace
    assert "test_library_messages.py" in trace
    assert NAME not in trace


def test_a_module_is_named_without_the_folders_above() -> None:
    assert module_of("/home/x/lib/python3.11/site-packages/pydicom/valuerep.py") == "pydicom.valuerep"
    assert module_of("/home/doe/project/app/run.py") == "app.run"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UnreadableError("expected x", code="no_dicom"), {"code": "no_dicom"}),
        (TransientError("later"), {"code": "transient"}), (MemoryError(), {"code": "out_of_memory"}),
        (OSError(24, "Too many open files"), {"code": "out_of_files"}),
        (OSError(5, "I/O error", f"/{NAME}"), {"code": "file", "error": "OSError", "text": "I/O error"}),
    ],
)  # fmt: skip
def test_an_error_is_named_the_same_wherever_it_is_logged(error: Exception, expected: dict[str, str]) -> None:
    assert error_values(error) == expected


def test_what_nobody_foresaw_is_a_defect_and_quotes_nothing() -> None:
    values = {}
    try:
        int(NAME)
    except ValueError as error:
        values = error_values(error)
    assert values["code"] == "defect"
    assert "ValueError" in values["traceback"]
    assert NAME not in values["traceback"]
