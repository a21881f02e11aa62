"""Unpacks an archive of weights, and finds the networks in it."""

from __future__ import annotations

import stat
import zipfile
import zlib
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import NoReturn

from operators.dicom.elements.atomic_file import unwritable_folder
from operators.errors import ModelError
from operators.importing.catalogue.download import require_room
from operators.importing.formats import is_network

# Five folds of the largest published networks are 3 GB; checkpoints hardly shrink in a zip
MOST_BYTES, MOST_FILES = 24 * 1024**3, 10_000


def unpack(archive: Path, folder: Path) -> Path:
    """Unpacks a zip into a new folder, and returns it.

    Raises ModelError for a damaged one, or one with paths that lead out of the folder; OutputError without
    room.
    """
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            total = sum(member.file_size for member in members)
            if total > MOST_BYTES or len(members) > MOST_FILES:
                refuse(
                    f"at most {MOST_FILES} files and {MOST_BYTES >> 30} GB",
                    f"{len(members)} of {total} bytes",
                )
            for member in members:
                require_inside(member)
            require_room(folder.parent, total, "room to unpack weights")
            file.extractall(folder, members)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        text = f"expected a zip of weights in {archive.name}, got a damaged one: {error}"
        raise ModelError(text, code="archive_unreadable") from error
    except OSError as error:
        raise unwritable_folder(folder.parent, "room to unpack weights", error) from error
    return folder


def require_inside(member: zipfile.ZipInfo) -> None:
    """Raises ModelError for a path that leads out of the archive's folder, or a link."""
    path = PurePosixPath(member.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in member.filename:
        refuse("files inside the archive's own folder", f"the path {member.filename!r}")
    if stat.S_ISLNK(member.external_attr >> 16):
        refuse("files", f"the link {member.filename!r}")


def refuse(expected: str, got: str) -> NoReturn:
    """Raises ModelError for an archive that is not unpacked."""
    raise ModelError(
        f"expected {expected} in the archive, got {got}: nothing is unpacked", code="archive_refused"
    )


def network_folder(folder: Path, pattern: str) -> Path:
    """Returns the only folder of a known format below `folder` that fits a pattern. Raises ModelError."""
    found = [path for path in [folder, *sorted(folder.rglob("*"))] if path.is_dir() and is_network(path)]
    fitting = [path for path in found if fnmatch(path.relative_to(folder.parent).as_posix(), pattern)]
    if len(fitting) != 1:
        there = ", ".join(path.name for path in fitting or found) or "none"
        text = f"expected one network in a folder like {pattern}, got {there}"
        raise ModelError(text, code="several_models" if fitting else "no_model")
    return fitting[0]
