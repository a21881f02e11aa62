"""`osteon notify` sends a test message to each target and says whether it was taken, without secrets."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from app.cli.commands import app
from operators.errors import UsageError
from tests.service.app.node.send.test_notices import Hook


def command(folder: Path, targets: dict[str, Any], *words: str) -> Any:
    path = folder / "app.yaml"
    messages = {"messages": {"targets": targets}} if targets else {}
    path.write_text(json.dumps({"osteon": {"node": messages}}), encoding="utf-8")
    return app(["notify", *words, "--config", str(path)], exit_on_error=False, result_action="return_value")


def test_each_target_is_tested_and_failures_have_an_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook = Hook()
    threading.Thread(target=hook.serve_forever, daemon=True).start()
    targets = {
        "desk": {"url": f"json://127.0.0.1:{hook.server_port}/s3cret"},
        "gone": {"url": "json://127.0.0.1:1/s3cret"},
        "odd": {"url": "nope://s3cret"},
    }
    try:
        assert command(tmp_path, targets, "desk") == 0
        assert command(tmp_path, targets) == 6
    finally:
        hook.shutdown()
        hook.server_close()
    assert [body["title"] for body in hook.bodies] == ["OSTEON: test"] * 2
    said = capsys.readouterr().out.splitlines()
    assert said == [
        "desk: took a test message",
        "desk: took a test message",
        "gone: expected the message target gone to take a message, it did not",
        "odd: expected an address that apprise knows of the message target odd, got another",
    ]


def test_unknown_targets_and_no_targets_are_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="messages"):
        command(tmp_path, {})
    assert command(tmp_path, {"desk": {"url": "json://127.0.0.1:1/"}}, "other") == UsageError.exit_code
