"""Errors that a caller must tell apart: what can never work, and what may work later."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

# In whose words a shortage comes where it is no MemoryError and has no number; each was seen under RLIMIT_AS
# or RLIMIT_NOFILE (tests/service/operators/test_shortages.py) unless it says otherwise.
NO_MEMORY_WORDS = (
    "can't start new thread",  # CPython, Modules/_threadmodule.c: no room for a stack, or too many
    "std::bad_alloc",  # C++: OpenVINO, ITK
    "Failed to allocate",  # OpenVINO's CPU plug-in, itkImportImageContainer.hxx
    "can't allocate memory",  # torch, c10/core/impl/alloc_cpu.cpp
    "CUDA out of memory",  # torch, c10/cuda/CUDACachingAllocator.cpp (not seen)
    # glibc, elf/dl-load.c and its neighbours: a shared library that finds no room
    "failed to map segment from shared object", "cannot map zero-fill pages",
    "cannot change memory protections", "cannot allocate", "cannot create TLS data structures",
    "cannot create shared object descriptor",
    # strerror of ENOMEM and EAGAIN
    "Cannot allocate memory", "Resource temporarily unavailable",
)  # fmt: skip
NO_FILES_WORDS = ("Too many open files",)  # strerror of EMFILE, and of ENFILE with "in system"
NO_MEMORY_NUMBERS, NO_FILES_NUMBERS = (errno.ENOMEM, errno.EAGAIN), (errno.EMFILE, errno.ENFILE)

# How Python begins its sentences on the arguments of a call: the function's name, then parentheses
CALL = re.compile(r"^[\w.]*?(\w+)\(\) ")
NO_MAPPING = re.compile(r"^[\w.]*?(\w+)\(\) argument after \*\* must be a mapping, not (\w+)$")


# What is said of an error that is none of ours
DEFECT = "a defect in Osteon; the log has the traceback"


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


def shortage(error: BaseException) -> TransientError | None:
    """Returns a TransientError where the system lacks something for now: memory, a thread, a process, a file.

    Also where that is the cause of another error, such as one that takes a file for unreadable.
    """
    for each in causes(error):
        if isinstance(each, MemoryError) or says(each, NO_MEMORY_NUMBERS, NO_MEMORY_WORDS):
            return TransientError("expected enough memory, there was none left", code="out_of_memory")
        if says(each, NO_FILES_NUMBERS, NO_FILES_WORDS):
            return TransientError("expected to open a file, too many are open", code="out_of_files")
    return None


def as_osteon_error(error: BaseException) -> OsteonError | None:
    """Returns the error in our own terms: a shortage behind it, or itself; None for any other."""
    return shortage(error) or (error if isinstance(error, OsteonError) else None)


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and what it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def says(error: BaseException, numbers: tuple[int, ...], words: tuple[str, ...]) -> bool:
    """Whether an error of the system, or of a library, has one of the numbers or words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in numbers
    # Exactly these: subclasses, such as RecursionError, mean something else
    kind = type(error)
    tells = kind in (RuntimeError, ImportError, OSError) or kind.__name__ == "OutOfMemoryError"
    return tells and any(each in str(error) for each in words)


def reason(error: BaseException) -> str:
    """Returns a library's error for a sentence of ours: without the names of its types and functions."""
    if isinstance(error, KeyError):
        return f"the key {error.args[0]!r} is missing" if error.args else "a key is missing"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, EOFError):
        return "it ends too early"
    if found := NO_MAPPING.match(str(error)):
        return f"{found[1]} is a {found[2]}, where keys with values are expected"
    text = " ".join(CALL.sub("", str(error)).split()) or "it is malformed"
    return text.replace("keyword argument", "key").replace("positional arguments", "keys")
