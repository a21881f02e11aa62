"""Writes a file whole or not at all, and makes what was written last."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from operators.errors import OutputError, UnwritableError


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Calls `write` on a temporary neighbour of `path`, then in its place; raises UnwritableError."""
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_path(path.parent)
    except OSError as error:
        _remove(part)
        raise UnwritableError(
            f"expected a folder that can be written to for {path.name}, got: {error.strerror or error}"
        ) from error
    return path


def make_folder(folder: Path, purpose: str) -> None:
    """Makes a folder with those above it, unless it is there; `purpose` is "an output folder", say.

    Raises OutputError with the code output_unwritable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_folder(folder, purpose, error) from error


def unwritable_folder(folder: Path, purpose: str, error: OSError) -> OutputError:
    """Returns the error of a folder that takes no files, or is none."""
    text = f"expected {purpose} that can be written, got {folder}: {error.strerror}"
    return OutputError(text, code="output_unwritable")


def sync_path(path: Path) -> None:
    """Makes a file's content, or a folder's names, survive a power loss. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return
