"""Errors that a caller must distinguish: those that can never be resolved, and those that may not recur."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator

# Words of library errors that report a shortage without being a MemoryError or having a number; each was seen
# under RLIMIT_AS or RLIMIT_NOFILE (tests/service/operators/test_shortages.py) unless noted otherwise.
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

# How pydicom begins the text of an error in an element, which ends with a traceback
WITH_TRACEBACK = "With tag "
# Python's errors about the arguments of a call begin with the function's name and parentheses
CALL = re.compile(r"^[\w.]*?(\w+)\(\) ")
NO_MAPPING = re.compile(r"^[\w.]*?(\w+)\(\) argument after \*\* must be a mapping, not (\w+)$")


# The text for an unexpected exception
DEFECT = "a defect in Osteon; the log has the traceback"


class OsteonError(Exception):
    """Base of all errors. `code` may leave the machine; the text says what was expected and found."""

    code = "defect"
    exit_code = 1

    def __init__(self, text: str, *, code: str | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class UnsuitableError(OsteonError):
    """The input can never be segmented: refuse it and do not retry."""

    code = "unsuitable"
    exit_code = 3


class UnreadableError(UnsuitableError):
    """The input cannot be read as what it claims to be."""

    code = "unreadable"
    exit_code = 4


class ModelError(OsteonError):
    """A package or its weights are missing, altered or do not match."""

    code = "model"
    exit_code = 5


class OutputError(OsteonError):
    """A result could not be written or delivered."""

    code = "output"
    exit_code = 6


class UnwritableError(OutputError):
    """A file could not be written, for lack of space for example; callers that can wait may try again."""


class UsageError(OsteonError):
    """The command was called with invalid arguments."""

    code = "usage"
    exit_code = 2


class TransientError(OsteonError):
    """The operation may succeed later: retry."""

    code = "transient"
    exit_code = 6


def shortage(error: BaseException) -> TransientError | None:
    """Returns a TransientError if the system temporarily lacks memory, threads, processes or files; else
    None.

    This also applies if the shortage caused another error, such as one that reports a file as unreadable.
    """
    for each in causes(error):
        if isinstance(each, MemoryError) or says(each, NO_MEMORY_NUMBERS, NO_MEMORY_WORDS):
            return TransientError("expected enough memory, but none was left", code="out_of_memory")
        if says(each, NO_FILES_NUMBERS, NO_FILES_WORDS):
            return TransientError("expected to open a file, but too many are open", code="out_of_files")
    return None


def as_osteon_error(error: BaseException) -> OsteonError | None:
    """Returns the shortage behind an error, or the error itself if it is an OsteonError; else None."""
    return shortage(error) or (error if isinstance(error, OsteonError) else None)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and the errors that it was raised from."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def says(error: BaseException, numbers: tuple[int, ...], words: tuple[str, ...]) -> bool:
    """Returns whether an error of the system or of a library has one of the numbers or words."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in numbers
    # Exactly these classes: subclasses, such as RecursionError, mean something else
    kind = type(error)
    tells = kind in (RuntimeError, ImportError, OSError) or kind.__name__ == "OutOfMemoryError"
    return tells and any(each in str(error) for each in words)


def reason(error: BaseException) -> str:
    """Returns a library's error as part of a sentence, without the names of its types and functions."""
    if error.__cause__ is not None and str(error).startswith(WITH_TRACEBACK):
        return reason(error.__cause__)
    if isinstance(error, KeyError):
        return f"the key {error.args[0]!r} is missing" if error.args else "a key is missing"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    if isinstance(error, EOFError):
        return "it ends too early"
    if found := NO_MAPPING.match(str(error)):
        return f"{found[1]} must be keys with values, not {found[2]}"
    text = " ".join(CALL.sub("", str(error)).split()) or "it is malformed"
    return text.replace("keyword argument", "key").replace("positional arguments", "keys")
