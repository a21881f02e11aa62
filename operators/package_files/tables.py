"""The tables that a package.toml of any kind has."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from operators.packages.packages import ModelPackage
from operators.packages.structures import Structures

Package = TypeVar("Package", bound=ModelPackage)


class Table(BaseModel):
    """A table of package.toml."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class IdentityTables(Table):
    """The common part of every package.toml."""

    name: str
    """The package's name, as --package takes it; also the name of its folder."""
    version: str
    title: str
    """What the package segments, in plain words."""
    algorithm_name: str
    """Algorithm name in DICOM results."""

    def make(self, kind: type[Package], folder: Path, structures: Structures, **made: Any) -> Package:
        """Returns a package of a kind with its labels, if the file has any, and with what is `made` for it;
        the rest stands in the file as it is.
        """
        made["labels"] = tuple(row.label(structures) for row in getattr(self, "labels", ()))
        same = {field.name for field in fields(kind)} & set(type(self).model_fields) - set(made)
        return kind(folder=folder, **{name: getattr(self, name) for name in same}, **made)


class ArchitectureTable(Table):
    """[network]: what all folds of a network have in common."""

    architecture: str
    """A row of the table of architectures."""
    arguments: dict[str, Any]
    """Arguments of the architecture."""
    precision: str = ""
    """f32 where the results must equal the original's; empty leaves it to the runtime."""
    runtime: str = ""
    """Runtime that must be used on a CPU; if empty, the settings decide."""


class WeightsTable(Table):
    """The weights of a network."""

    weights: str
    """A safetensors file, relative to the package's folder."""
    sha256: str
    """SHA-256 of the weights file."""


class FoldTable(WeightsTable):
    """[[folds]]: the weights of one fold."""

    name: str
