"""Warnings, log records and exceptions of libraries lose quoted data in every process that asks for it."""

from __future__ import annotations

import pytest

from app.library_messages import error_values, frames_of, module_of
from operators.errors import TransientError, UnreadableError

NAME = "DOE^JOHN"


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
