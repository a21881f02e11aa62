"""Finds the image series of a folder from the headers of its files."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from operators.dicom.elements.image_classes import is_radiograph
from operators.dicom.elements.meta_group import MAGIC, MAGIC_AT, META_AT
from operators.dicom.headers.headers import read_header
from operators.dicom.headers.planes import Plane, SeriesKey, planes_of, series_key
from operators.dicom.headers.series import Series
from operators.dicom.read.series_parts import all_series
from operators.errors import OsteonError, TransientError, UnreadableError, shortage
from operators.process.file_names import shown_name

# Reading headers waits for the disk more than for the processor; 4 readers keep a network share busy.
READERS = 4
# Files that one reader takes at a time: handing them over one by one costs a fifth of the time
BATCH = 16
# Names of other files in an error's sentence
MOST_NAMES = 3
NO_SERIES = SeriesKey("", "", "", "", "", "", "")


@dataclass(frozen=True)
class UnreadableFile:
    """A file that cannot be used: its path in the folder, the reason, and its series if known.

    `radiograph_of` is the study of a CR or DX image.
    """

    path: str
    reason: str
    code: str
    series_instance_uid: str = ""
    radiograph_of: str = ""


@dataclass(frozen=True)
class OtherFile:
    """A file that is not a DICOM instance; `name` is in the folder, `kind` its format, '' if unknown."""

    path: Path
    name: str
    kind: str


@dataclass(frozen=True)
class Scan:
    """All series of a folder; every file is in a series, unreadable, or one of the `others`."""

    series: tuple[Series, ...]
    unreadable: tuple[UnreadableFile, ...]
    others: tuple[OtherFile, ...] = ()


def scan(folder: Path, readers: int = READERS) -> Scan:
    """Reads the series of a folder and its subfolders, or of one file. Raises UnreadableError,
    TransientError.

    Links are followed; a folder that several links lead to is read once.
    """
    files, closed = _files(folder)
    with ThreadPoolExecutor(readers) as pool:
        starts = range(0, len(files), BATCH)
        batches = pool.map(lambda n: [_read_file(file) for file in files[n : n + BATCH]], starts)
        found = [content for batch in batches for content in batch]
    planes = [plane for planes in found if isinstance(planes, list) for plane in planes]
    unreadable = (*closed, *(file for file in found if isinstance(file, UnreadableFile)))
    others = tuple(file for file in found if isinstance(file, OtherFile))
    return Scan(all_series(planes, _damaged(unreadable)), unreadable, others)


def grouped_by_reason(unreadable: Sequence[UnreadableFile]) -> list[tuple[UnreadableFile, str]]:
    """Returns the first file of each reason, with a phrase for all of that reason, in order of the first."""
    reasons: dict[str, list[UnreadableFile]] = {}
    for file in unreadable:
        reasons.setdefault(file.reason, []).append(file)
    return [
        (files[0], files[0].path if len(files) == 1 else f"{len(files)} files, such as {files[0].path}")
        for files in reasons.values()
    ]


def require_series(found: Scan) -> None:
    """Raises UnreadableError for a folder without series, and says what it holds instead."""
    if found.series:
        return
    if found.unreadable:
        first = found.unreadable[0]
        raise UnreadableError(
            f"expected readable DICOM files, got {len(found.unreadable)} unreadable: "
            f"{first.path}: {first.reason}",
            code=first.code,
        )
    if found.others:
        raise UnreadableError(f"expected DICOM files, got {_in_words(found.others)}", code="no_dicom")
    raise UnreadableError("expected DICOM files, got an empty folder", code="empty_folder")


def _in_words(others: Sequence[OtherFile]) -> str:
    """Returns the number of files, the names of the first, and the known kinds, most frequent first."""
    count, names = len(others), [file.name for file in others[:MOST_NAMES]]
    more = ", ..." if count > MOST_NAMES else ""
    kinds = Counter(file.kind for file in others if file.kind).most_common()
    named = ", ".join(f"{times} times {kind}" if times > 1 else kind for kind, times in kinds)
    files = f"{count} other file{'' if count == 1 else 's'} ({', '.join(names)}{more})"
    return f"{files}: {named}" if named else files


@dataclass(frozen=True)
class _File:
    path: Path
    name: str


def _files(folder: Path) -> tuple[list[_File], list[UnreadableFile]]:
    """Returns the files in order, and those that cannot be accessed. Raises UnreadableError."""
    if folder.is_file():
        return [_File(folder, shown_name(folder.name))], []
    if not folder.is_dir():
        got = _kind_of_node(folder) if folder.exists() else "a path that does not exist"
        raise UnreadableError(f"expected a folder or a file, got {got}", code="no_input")
    closed: list[UnreadableFile] = []
    files = []
    for path in _walk(folder, closed):
        name = shown_name(path.relative_to(folder))
        try:
            if path.is_file():
                files.append(_File(path, name))
            elif path.is_symlink() and not path.exists():
                closed.append(UnreadableFile(name, "expected a file, got a broken link", "broken_link"))
            else:
                closed.append(UnreadableFile(name, f"expected a file, got {_kind_of_node(path)}", "no_file"))
        except OSError as error:
            reason = f"expected a file that can be reached, got: {error.strerror}"
            closed.append(UnreadableFile(name, reason, "file_not_opened"))
    return sorted(files, key=lambda file: file.name), sorted(closed, key=lambda file: file.path)


def _kind_of_node(path: Path) -> str:
    """Returns what a path leads to that is neither file nor folder; opening it could wait for ever."""
    return "a FIFO" if path.is_fifo() else "a socket" if path.is_socket() else "a device"


def _walk(folder: Path, closed: list[UnreadableFile]) -> Iterator[Path]:
    """Yields every file's path, through links too; visits each folder once, so that cyclic links end."""

    def on_error(error: OSError) -> None:
        short = shortage(error)
        if short is not None:
            raise short from error
        name = shown_name(Path(os.path.relpath(error.filename, folder)))
        reason = f"expected a folder that can be listed, got: {error.strerror}"
        closed.append(UnreadableFile(name, reason, "folder_not_opened"))

    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=on_error):
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield from (Path(parent) / name for name in names)


def _read_file(file: _File) -> list[Plane] | UnreadableFile | OtherFile:
    """Returns the planes of a file, or the reason why it has none."""
    key = NO_SERIES
    try:
        header = read_header(file.path)
        if header is None:
            return OtherFile(file.path, file.name, kind_of(file.path))
        key = series_key(header)
        return planes_of(header, key, file.path, file.name)
    except TransientError:
        raise  # a retry may read the slice; without it the series would lack the slice
    except OsteonError as error:
        study = key.study_instance_uid if is_radiograph(key.sop_class_uid) else ""
        return UnreadableFile(file.name, str(error), error.code, key.series_instance_uid, study)


def _damaged(unreadable: Sequence[UnreadableFile]) -> dict[str, list[str]]:
    """Returns warnings by SeriesInstanceUID, one for each unreadable file of the series."""
    warnings: dict[str, list[str]] = {}
    for file in unreadable:
        if file.series_instance_uid:
            text = f"{file.path} was left out: {file.reason}"
            warnings.setdefault(file.series_instance_uid, []).append(text)
    return warnings


# Offset, bytes, name. NIfTI-1 and -2: nifti1.h, nifti2.h; the rest are the formats' own signatures.
_MARKS = (
    (344, b"n+1\0", "a NIfTI image"),
    (344, b"ni1\0", "a NIfTI header"),
    (4, b"n+2\0", "a NIfTI image"),
    (0, b"NRRD", "an NRRD image"),
    (0, b"ObjectType", "a MetaImage"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"%PDF", "a PDF"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"BM", "a bitmap"),
    (0, b"II*\0", "a TIFF picture"),
    (0, b"MM\0*", "a TIFF picture"),
    (0, b"GIF8", "a GIF picture"),
    (8, b"WEBP", "a WebP picture"),
    (4, b"jP  ", "a JPEG 2000 picture"),
    (0, b"\x89HDF", "an HDF5 file"),
)
_GZIP = b"\x1f\x8b"
_HEAD_BYTES = 352


def kind_of(path: Path) -> str:
    """Returns the kind of a file in words such as "a ZIP archive"; '' if it is unknown."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head[MAGIC_AT:META_AT] == MAGIC:  # a DICOM file that is not an instance
        return "a DICOMDIR"
    if head.startswith(_GZIP):
        return "a compressed NIfTI image" if ".nii" in path.suffixes else "a gzip archive"
    return next((name for at, mark, name in _MARKS if head[at:].startswith(mark)), "")
