"""No way to stderr of a process quotes a value."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.unit.app.test_library_messages import NAME

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
