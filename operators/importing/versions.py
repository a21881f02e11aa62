"""Versions of a package: new networks take its place by one rename, and can be taken back.

NAME/
  package.toml          the version in use
  former/1.toml ...     those before it; their weights stay in the folder
  withdrawn/2.toml      those that were taken back
"""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from operators.dicom.elements.atomic_file import write_whole
from operators.errors import UsageError
from operators.package_files.package_reader import PACKAGE_FILE, read_package

FORMER, WITHDRAWN = "former", "withdrawn"


def version_of(folder: Path) -> int:
    """Returns the number of the version in use; 1 for a package whose version is no number."""
    version = str(tomllib.loads((folder / PACKAGE_FILE).read_text(encoding="utf-8")).get("version", ""))
    return int(version) if version.isdigit() else 1


def replace_version(folder: Path, text: str, weights: Mapping[str, Path]) -> None:
    """Takes a package.toml and its weights, by their names in the folder, into use. Raises OutputError."""
    for name, path in weights.items():
        with path.open("rb") as file:
            write_whole(folder / name, partial(shutil.copyfileobj, file))
    keep(folder, FORMER)
    write_whole(folder / PACKAGE_FILE, lambda file: file.write(text.encode()))


def rollback(folder: Path) -> tuple[int, int]:
    """Takes the version before the one in use; returns the number of either.

    Raises UsageError if there is none, ModelError if it cannot be read, OutputError.
    """
    former = sorted((folder / FORMER).glob("*.toml"), key=lambda path: int(path.stem))
    if not former:
        raise UsageError(f"expected a former version of {folder.name}, found none")
    now, path = version_of(folder), former[-1]
    content = path.read_bytes()
    keep(folder, WITHDRAWN)
    write_whole(folder / PACKAGE_FILE, lambda file: file.write(content))
    path.unlink()
    read_package(folder / PACKAGE_FILE)
    return now, version_of(folder)


def keep(folder: Path, where: str) -> None:
    """Copies the package.toml in use to a subfolder, named by its version."""
    content = (folder / PACKAGE_FILE).read_bytes()
    write_whole(folder / where / f"{version_of(folder)}.toml", lambda file: file.write(content))
