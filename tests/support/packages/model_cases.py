"""Shared helpers of the tests of `osteon models`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.cli.command_line import execute
from app.cli.commands import app
from operators.errors import ModelError
from operators.importing.formats import read_published
from operators.importing.published import Wanted


def ran(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Runs a command; returns exit code and output."""
    with pytest.raises(SystemExit) as ended:
        execute(app, [str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


def refusal(published: Path) -> str:
    """Returns the code with which a model is refused as it is read, before its weights meet the plans."""
    try:
        read_published(published, Wanted())
    except ModelError as error:
        return error.code
    return "weights_do_not_fit"


def snapshot(folder: Path) -> dict[str, bytes]:
    """Returns the content of every file of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrites a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
