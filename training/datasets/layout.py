"""The layout of a data set.

DATA/
  dataset.toml     what is labelled, the cases, what the import left out
  images/          CASE.nii.gz: Hounsfield units (radiographs: the picture as it came)
  labels/          CASE.nii.gz: values of [[structures]], on the image's grid (radiographs: fractures.json)
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import tomlkit
from pydantic import BaseModel, Field, TypeAdapter, with_config

from operators.errors import ModelError, UnreadableError
from operators.geometry.volume import HIGHEST_VALUE
from operators.packages.structures import Code, Side
from operators.packages.toml_files import STRICT, read_toml, validated
from training.files import write_text

DATASET_FILE = "dataset.toml"
IMAGES, LABELS = "images", "labels"
SUFFIX = ".nii.gz"
Kind = Literal["volume", "radiograph"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
HEAD = "# Made by `osteon data import`; `osteon data check` checks it. docs/datasets.md describes it.\n"


@with_config(STRICT)
@dataclass(frozen=True)
class LabelledStructure:
    """One label value. `structure` and `side` name a structure of structures.toml, whose code is repeated.

    `fragment` is the number of a fragment of that structure. Without `structure` its code is unknown.
    """

    name: str
    value: Annotated[int, Field(ge=1, le=int(HIGHEST_VALUE))]
    structure: str | None = None
    side: Side | None = None
    fragment: int | None = None
    code: Code | None = None


@with_config(STRICT)
@dataclass(frozen=True)
class Case:
    """One image. `patient` is a key that images of one patient share; `source` is its place in the source."""

    name: Name
    patient: str
    source: str
    image_sha256: Digest
    labels_sha256: Digest | None = None
    notes: tuple[str, ...] = ()


@with_config(STRICT)
@dataclass(frozen=True)
class LeftOut:
    """Something of the source that is not in the data set, and the reason."""

    source: str
    reason: str


class DatasetTables(BaseModel):
    """The content of dataset.toml. Voxels with the value `ignore` are not labelled either way."""

    model_config = STRICT

    format: Literal[1] = 1
    kind: Kind
    title: str
    source: str
    imported: str
    ignore: int | None = None
    structures: tuple[LabelledStructure, ...]
    cases: tuple[Case, ...]
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """A data set in its folder."""

    folder: Path
    tables: DatasetTables

    @property
    def cases(self) -> tuple[Case, ...]:
        """The cases, in the order of their import."""
        return self.tables.cases

    @cached_property
    def names(self) -> dict[int, str]:
        """The name of each label value."""
        return {each.value: each.name for each in self.tables.structures}

    def image(self, case: Case) -> Path:
        """Returns the image of a case."""
        suffix = SUFFIX if self.tables.kind == "volume" else ""
        return self.folder / IMAGES / f"{case.name}{suffix}"

    def labels(self, case: Case) -> Path:
        """Returns the label map of a case."""
        return self.folder / LABELS / f"{case.name}{SUFFIX}"


def read_dataset(folder: Path) -> Dataset:
    """Returns the data set in a folder. Raises UnreadableError."""
    try:
        read = partial(validated, TypeAdapter(DatasetTables))
        tables = read_toml(folder / DATASET_FILE, read, "a data set", "dataset_unreadable")
    except ModelError as error:
        raise UnreadableError(str(error), code=error.code) from error
    names, numbers = [case.name for case in tables.cases], [row.value for row in tables.structures]
    for what, values in (("name", names), ("value", numbers)):
        twice = [value for value, count in Counter(values).items() if count > 1]
        if twice:
            text = f"expected each {what} once in {folder.name}/{DATASET_FILE}, got {twice[0]} more than once"
            raise UnreadableError(text, code="dataset_unreadable")
    return Dataset(folder, tables)


def write_dataset(folder: Path, tables: DatasetTables) -> Dataset:
    """Writes dataset.toml. Raises UnwritableError."""
    rows: dict[str, tuple[Any, ...]] = {
        "structures": tables.structures,
        "cases": tables.cases,
        "left_out": tables.left_out,
    }
    head = without_none(tables.model_dump(exclude=set(rows)))
    # A key after a table would be the table's: empty lists come first
    empty: dict[str, Any] = {key: [] for key, each in rows.items() if not each}
    filled = {key: [without_none(asdict(row)) for row in each] for key, each in rows.items() if each}
    write_text(folder / DATASET_FILE, HEAD + tomlkit.dumps(head | empty | filled))
    return Dataset(folder, tables)


def without_none(table: dict[str, Any]) -> dict[str, Any]:
    """Returns the table without keys that have no value."""
    return {key: value for key, value in table.items() if value is not None and value != ()}


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
