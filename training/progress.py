"""Progress messages of a training; the caller decides how to show them."""

from __future__ import annotations

from collections.abc import Callable

# Stage, share of it that is done (None where unknown), and a short text
Tell = Callable[[str, float | None, str], None]
PREPARE, WAIT, TRAIN, VALIDATE, CALIBRATE = "prepare", "wait", "train", "validate", "calibrate"
# Prefixes of cache keys
KINDS = {
    "map": "a label map", "set": "a set of bones", "phantom": "a procedural body",
    "posed": "a posed body", "negative": "a CT without the anatomy", "labelled": "a labelled CT",
    "bone": "a bone", "bones": "bones",
    "between": "bones between others", "validation": "validation patches",
}  # fmt: skip


def silent(stage: str, done: float | None, text: str) -> None:
    """Ignores progress."""


def kind_of(key: str) -> str:
    """Returns what a cache key stands for, in words."""
    return KINDS.get(key.split(" ", 1)[0], "data")
