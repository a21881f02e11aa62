"""Opens the input of a run: DICOM, a zip of it, or files in other formats."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from operators.errors import UnreadableError

# 8,192 slices of 1024 x 1024 with 16 bits: larger than any study
MOST_BYTES = 16 * 1024**3
MOST_FILES = 200_000


@contextmanager
def opened_input(path: Path) -> Iterator[Path]:
    """Yields the folder or file itself, or a temporary folder with a zip's files. Raises UnreadableError."""
    if not path.is_file() or not zipfile.is_zipfile(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="osteon-") as folder:
        extract(path, Path(folder))
        yield Path(folder)


def extract(archive: Path, folder: Path) -> None:
    """Extracts a zip into `folder`, whatever paths its names contain. Raises UnreadableError."""
    try:
        with zipfile.ZipFile(archive) as file:
            members = [member for member in file.infolist() if not member.is_dir()]
            total = sum(member.file_size for member in members)
            if len(members) > MOST_FILES or total > MOST_BYTES:
                got = f"{len(members)} of {total / 1024**3:.1f} GB"
                text = (
                    f"expected a zip of at most {MOST_FILES} files and {MOST_BYTES // 1024**3} GB, got {got}"
                )
                raise UnreadableError(text, code="too_large")
            for member in members:
                file.extract(member, folder)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        # RuntimeError is what zipfile raises for a password
        got = "an encrypted one" if "password" in str(error) else "a damaged one"
        raise UnreadableError(f"expected a zip of DICOM files, got {got}", code="bad_archive") from error
