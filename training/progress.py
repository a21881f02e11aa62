"""Progress of a training; whoever starts it decides how that is shown."""

from __future__ import annotations

from collections.abc import Callable

# A stage, the share of it that is over (None where nobody knows), and a few words
Tell = Callable[[str, float | None, str], None]
PREPARE, WAIT, TRAIN, VALIDATE, CALIBRATE = "prepare", "wait", "train", "validate", "calibrate"
# What a key of the cache begins with
KINDS = {
    "map": "a label map", "set": "a set of bones", "phantom": "a procedural body",
    "negative": "a CT without the anatomy", "bone": "a bone", "bones": "bones",
    "between": "bones between others", "validation": "validation patches",
}  # fmt: skip


def silent(stage: str, done: float | None, text: str) -> None:
    """Says nothing."""


def kind_of(key: str) -> str:
    """A thing that is kept in the cache, in words."""
    return KINDS.get(key.split(" ", 1)[0], "data")
