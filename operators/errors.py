"""Errors that a caller must tell apart: what can never work, and what may work later."""

from __future__ import annotations

import re

# How Python begins its sentences on the arguments of a call
CALL = re.compile(r"^[\w.]*\w\(\) ")
# CPython's own words (Modules/_threadmodule.c); a thread is refused where its stack finds no room
NO_THREAD = "can't start new thread"


class OsteonError(Exception):
    """Base. `code` may leave the machine; the text says what was expected and what was got."""

    code = "defect"
    exit_code = 1

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class UnsuitableError(OsteonError):
    """The input can never be segmented: refuse it, do not retry."""

    code = "unsuitable"
    exit_code = 3


class UnreadableError(UnsuitableError):
    """The input cannot be read as what it claims to be."""

    code = "unreadable"
    exit_code = 4


class ModelError(OsteonError):
    """A package or its weights are missing, altered or do not fit."""

    code = "model"
    exit_code = 5


class OutputError(OsteonError):
    """A result could not be written or delivered."""

    code = "output"
    exit_code = 6


class UnwritableError(OutputError):
    """A file could not be written, for want of room, say: whoever can wait may try again."""


class UsageError(OsteonError):
    """The command was called with something it does not take."""

    code = "usage"
    exit_code = 2


class TransientError(OsteonError):
    """May work later: retry."""

    code = "transient"
    exit_code = 6


def shortage(error: Exception) -> TransientError | None:
    """What the operating system would not give now and may give later: memory, or a thread."""
    if isinstance(error, MemoryError) or (type(error) is RuntimeError and str(error) == NO_THREAD):
        return TransientError("expected enough memory, there was none left", code="out_of_memory")
    return None


def reason(error: BaseException) -> str:
    """What a library's error says, for a sentence of ours: without the names of its types and functions."""
    if isinstance(error, KeyError):
        return f"the key {error.args[0]!r} is missing" if error.args else "a key is missing"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, EOFError):
        return "it ends too early"
    text = " ".join(CALL.sub("", str(error)).split()) or "it is malformed"
    return text.replace("keyword argument", "key").replace("positional arguments", "keys")
