"""Writes files atomically and makes them survive a power loss."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from operators.errors import OutputError, UnwritableError, reason
from operators.process.file_names import shown_name

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> Path:
    """Calls `write` on a temporary file beside `path`, then renames it to `path`. Raises UnwritableError."""
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
        text = f"expected a writable folder for {shown_name(path.name)}, got: {reason(error)}"
        raise UnwritableError(text) from error
    return path


def write_dataset(path: Path, dataset: Dataset) -> Path:
    """Writes a data set as a DICOM file like `write_whole`."""
    return write_whole(path, partial(dataset.save_as, enforce_file_format=True))


def make_folder(folder: Path, purpose: str) -> None:
    """Creates a folder and its parents if they are missing; `purpose` names it in the error, such as "an
    output folder".
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable_folder(folder, purpose, error) from error


def unwritable_folder(folder: Path, purpose: str, error: OSError) -> OutputError:
    """Returns the error for a path that is not a folder, or a folder that cannot be written."""
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
