"""Finds the image series of a folder from the headers of its files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from operators.dicom.headers import read_header
from operators.dicom.planes import Plane, SeriesKey, planes_of, series_key
from operators.dicom.series import Series
from operators.dicom.series_parts import series_of
from operators.errors import OsteonError, UnreadableError

# Header reading waits for the disk more than for the processor; 4 keep a network share busy.
READERS = 4
# Files that one reader takes at a time: handing them over singly costs a fifth of the time
BATCH = 16
NO_SERIES = SeriesKey("", "", "", "", "")


@dataclass(frozen=True)
class UnreadableFile:
    """A DICOM file that cannot be used: its path in the folder, why, and its series where known."""

    path: str
    reason: str
    code: str
    series_instance_uid: str = ""


@dataclass(frozen=True)
class Scan:
    """All series of a folder; every file is in a series, unreadable, or counted as another file."""

    series: tuple[Series, ...]
    unreadable: tuple[UnreadableFile, ...]
    other_files: int


def scan(folder: Path, readers: int = READERS) -> Scan:
    """The series of a folder and its subfolders, or of one file. Raises UnreadableError."""
    files = _files(folder)
    with ThreadPoolExecutor(readers) as pool:
        batches = pool.map(_read_files, (files[n : n + BATCH] for n in range(0, len(files), BATCH)))
        found = [content for batch in batches for content in batch]
    planes = [plane for planes in found if isinstance(planes, list) for plane in planes]
    unreadable = tuple(file for file in found if isinstance(file, UnreadableFile))
    return Scan(_series(planes, unreadable), unreadable, found.count(None))


def require_series(found: Scan) -> None:
    """Raises UnreadableError for a folder that holds no series, saying what it holds instead."""
    if found.series:
        return
    if found.unreadable:
        first = found.unreadable[0]
        raise UnreadableError(
            f"expected readable DICOM files, got {len(found.unreadable)} unreadable: "
            f"{first.path}: {first.reason}",
            code=first.code,
        )
    if found.other_files:
        raise UnreadableError(f"expected DICOM files, got {found.other_files} others", code="no_dicom")
    raise UnreadableError("expected DICOM files, got an empty folder", code="empty_folder")


@dataclass(frozen=True)
class _File:
    path: Path
    name: str


def _files(folder: Path) -> list[_File]:
    if folder.is_file():
        return [_File(folder, folder.name)]
    if not folder.is_dir():
        raise UnreadableError("expected a folder or a file, got a path where nothing is", code="no_input")
    paths = (Path(parent) / name for parent, _, names in os.walk(folder) for name in names)
    files = (_File(path, _printable(path.relative_to(folder))) for path in paths if path.is_file())
    return sorted(files, key=lambda file: file.name)


def _printable(path: Path) -> str:
    name = path.as_posix().encode("utf-8", "replace").decode()
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def _read_files(files: Sequence[_File]) -> list[list[Plane] | UnreadableFile | None]:
    return [_read_file(file) for file in files]


def _read_file(file: _File) -> list[Plane] | UnreadableFile | None:
    """The planes of a file; None for one that is no DICOM instance."""
    key = NO_SERIES
    try:
        header = read_header(file.path)
        if header is None:
            return None
        key = series_key(header)
        return planes_of(header, key, file.path, file.name)
    except OsteonError as error:
        return UnreadableFile(file.name, str(error), error.code, key.series_instance_uid)


def _series(planes: Iterable[Plane], unreadable: Sequence[UnreadableFile]) -> tuple[Series, ...]:
    grouped: dict[SeriesKey, list[Plane]] = {}
    for plane in planes:
        grouped.setdefault(plane.origin.key, []).append(plane)
    found: list[Series] = []
    for key, members in sorted(grouped.items()):
        damaged = [file for file in unreadable if file.series_instance_uid == key.series_instance_uid != ""]
        warnings = tuple(f"{file.path} is left out: {file.reason}" for file in damaged)
        found += series_of(key, members, warnings)
    return tuple(found)
