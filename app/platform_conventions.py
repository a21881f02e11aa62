"""Reads the conventions of each platform: MAP runners of both generations, MONAI Deploy Express, mercure.

An image sets the variables of its specification itself, so a variable counts only if it differs from what the
image sets: MONAI Deploy Express sets MONAI_INPUTPATH alone, mercure sets MERCURE_IN_DIR and all others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.platform_layout import ENVIRONMENT, ENVIRONMENT_0
from operators.errors import UsageError

IMAGE = ENVIRONMENT | ENVIRONMENT_0
# In order of precedence. mercure: its process/process_series.py, which sets no path for models
VARIABLES = {
    "input": ("OSTEON_INPUT", "HOLOSCAN_INPUT_PATH", "MONAI_INPUTPATH", "MERCURE_IN_DIR"),
    "output": ("OSTEON_OUTPUT", "HOLOSCAN_OUTPUT_PATH", "MONAI_OUTPUTPATH", "MERCURE_OUT_DIR"),
    "models": ("OSTEON_MODELS", "HOLOSCAN_MODEL_PATH", "MONAI_MODELPATH"),
}
# The settings that a mercure module may change; all others belong to whoever runs the container
MODULE_SETTINGS = ("device", "runtime", "precision", "mode", "threads", "files", "seg")


def platform_settings(environment: Mapping[str, str]) -> dict[str, Any]:
    """Returns the settings that a platform gives. Raises UsageError if mercure's task cannot be read."""
    folders = {name: folder_of(names, environment) for name, names in VARIABLES.items()}
    found: dict[str, Any] = {name: folder for name, folder in folders.items() if folder}
    if "MERCURE_IN_DIR" in environment:
        found |= module_settings(Path(environment["MERCURE_IN_DIR"]) / "task.json")
    return found


def folder_of(names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    """Returns the first variable that a platform set, else the one that the image sets, else ''."""
    known = [(name, environment[name]) for name in names if environment.get(name)]
    given = [value for name, value in known if value.rstrip("/") != IMAGE.get(name)]
    return next(iter([*given, *(value for _, value in known)]), "")


def module_settings(task: Path) -> dict[str, Any]:
    """Returns the settings of mercure's rule or module, read from the task file beside the images."""
    if not task.is_file():
        return {}
    try:
        process = json.loads(task.read_text(encoding="utf-8")).get("process") or {}
        settings = dict(process.get("settings") or {})
    except (ValueError, AttributeError, TypeError) as error:
        raise UsageError(f"expected a task of mercure in {task.name}, got: {error}") from error
    unknown = sorted(settings.keys() - set(MODULE_SETTINGS))
    if unknown:
        known = ", ".join(MODULE_SETTINGS)
        raise UsageError(f"expected module settings of {known}, got {', '.join(unknown)}")
    return settings
