"""Reads model packages from disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from operators.errors import ModelError, UsageError
from operators.package_files.package_checks import check_package
from operators.package_files.package_schema import PACKAGE_FILE_MODEL, with_kind
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import ModelPackage
from operators.packages.structures import Structures, read_structures
from operators.packages.toml_files import read_toml, validated

PACKAGE_FILE = "package.toml"
# A draft has labels without codes and is not a package until they have them
DRAFT_FILE = "package.draft.toml"


def read_packages(models: Path) -> tuple[ModelPackage, ...]:
    """Reads every package of a models folder, by name. Raises ModelError if there is none."""
    files = sorted(models.glob(f"*/{PACKAGE_FILE}"))
    if not files:
        raise ModelError(
            f"expected a folder of model packages (<name>/{PACKAGE_FILE}), found none in {models}",
            code="no_packages",
        )
    return tuple(read_package(path) for path in files)


def choose_packages(models: Path, name: str | None) -> tuple[ModelPackage, ...]:
    """Reads every package of a models folder, or the one of that name.

    Raises ModelError if there is none, UsageError if none has that name.
    """
    packages = read_packages(models)
    chosen = tuple(package for package in packages if name in (None, package.name))
    if not chosen:
        known = ", ".join(package.name for package in packages)
        raise UsageError(f"expected one of the packages {known}, got {name!r}")
    return chosen


def refuse_draft(models: Path, name: str) -> None:
    """Raises ModelError if the package of that name is a draft."""
    draft = models / name / DRAFT_FILE
    if draft.is_file():
        read_package(draft)
        raise ModelError(f"{name} is a draft still; make it a package: osteon models verify {name}")


def read_package(path: Path) -> ModelPackage:
    """Reads a package.toml. Raises ModelError if a key is missing, of the wrong type or unknown."""
    return read_toml(
        path,
        lambda table: package_of(table, path.parent, read_structures(path.parent.parent)),
        "a model package",
        "package_unreadable",
        with_kind,
    )


def read_coarse_to_fine_package(path: Path) -> CoarseToFinePackage:
    """Reads a package of the coarse-to-fine pipeline. Raises ModelError for another kind."""
    package = read_package(path)
    if not isinstance(package, CoarseToFinePackage):
        raise ModelError(f"expected a package with coarse, fine and fracture networks, got {package.name}")
    return package


def package_of(table: Mapping[str, Any], folder: Path, structures: Structures | None = None) -> ModelPackage:
    """Builds the package that a parsed package.toml describes.

    Raises pydantic's ValidationError or ValueError for invalid content, ModelError if a code is not filled
    in yet.
    """
    require_codes(table.get("labels", ()), folder)
    tables = validated(PACKAGE_FILE_MODEL, with_kind(table))
    package = tables.package(folder, read_structures() if structures is None else structures)
    check_package(package)
    return package


def require_codes(rows: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Raises ModelError if a label of a draft has no code yet."""
    tables = [row for row in rows if isinstance(row, Mapping)]
    empty = [str(row.get("name", "?")) for row in tables if lacks_code(row)]
    if empty:
        more = f" and {len(empty) - 5} more" if len(empty) > 5 else ""
        raise ModelError(
            f"{folder.name}: expected a code for every label, got none for {', '.join(empty[:5])}{more}; "
            "fill in their type.value, or remove the rows that need not be delivered",
            code="labels_without_codes",
        )


def lacks_code(row: Mapping[str, Any]) -> bool:
    """Returns whether a label has a code that is empty."""
    codes = [row[key] for key in ("type", "category") if isinstance(row.get(key), Mapping)]
    return any(code.get("value") == "" for code in codes)
