"""Tissues and their Hounsfield units in CT, read from `tissues.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

from operators.errors import UsageError

TABLE = Path(__file__).with_name("tissues.toml")


@dataclass(frozen=True)
class Tissue:
    """Range of a tissue's mean in HU, and its possible contents.

    Structures with the same `drawn_with` are bright or dark together, as vessels are with contrast medium.
    """

    low_hu: float
    high_hu: float
    bone: bool = False
    may_hold_gas: bool = False
    may_hold_contrast: bool = False
    may_calcify: bool = False
    drawn_with: str = ""


@cache
def tissue_of(structure: str) -> Tissue:
    """Returns the tissue of a named structure. Raises UsageError if the table has no row for it."""
    for pattern, tissue in tissues():
        if fnmatch(structure, pattern):
            return tissue
    raise UsageError(
        f"expected a structure that {TABLE.name} names, got {structure!r}; add it to a row there",
        code="unknown_structure",
    )


@cache
def tissues() -> tuple[tuple[str, Tissue], ...]:
    """Returns patterns of structure names and their tissues; the first match counts."""
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["tissues"]
    return tuple(
        (pattern, Tissue(**{key: value for key, value in row.items() if key != "structures"}))
        for row in rows
        for pattern in row["structures"]
    )
