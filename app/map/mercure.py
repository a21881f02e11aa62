"""Writes result.json, whose text mercure puts into its notifications."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from app.run.report import write_report

RESULT = "result.json"


def write_result(output: Path) -> None:
    """Summarises report.json in words, and requests a notification if a bone is fractured.

    Does nothing without a report. Raises OutputError.
    """
    try:
        report = json.loads((output / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    write_report(result_of(report), output / RESULT)


def result_of(report: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of result.json.

    mercure's common/notification.py reads `text` and `requested`; mercure keeps the rest with the task.
    """
    made = [series for series in report["series"] if series["result"]]
    sentences = [line for series in made for line in series["summary"]]
    others = [series for series in report["series"] if not series["result"]]
    refused = [f"{series['code']}: {series['sentence']}" for series in others]
    broken = any(segment["fragment"] for series in made for segment in series["segments"])
    text = "\n".join([report["notice"], *sentences, *refused])
    return {
        "exit_code": report["exit_code"],
        "__mercure_notification": {"text": text, "requested": broken},
    }
