"""Describes a published model as a new package: its labels by a table, the orientation of its images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from operators.errors import UsageError
from operators.importing.formats import read_published
from operators.importing.install import NewPackage
from operators.importing.label_tables import best_table, label_rows, named_table, plain_name, with_fragments
from operators.importing.published import Published, PublishedModel, Wanted
from operators.importing.shared_fracture import SharedFracture
from operators.package_files.package_reader import lacks_code


@dataclass(frozen=True)
class Description:
    """What is said of a published model: names, a table of labels (by value if its names say nothing),
    orientation. `known_only` leaves out labels that the table lacks, if it has any.
    """

    name: str | None = None
    title: str | None = None
    labels: str | None = None
    by_value: bool = True
    orientation: str | None = None
    known_only: bool = False


def read_model(folder: Path, fractures: Path | None, wanted: Wanted) -> Published:
    """Returns the published model, with the network that splits its bones. Raises UsageError, ModelError."""
    model = read_published(folder, wanted)
    if fractures is None:
        return model
    fracture = read_published(fractures, wanted.others)
    if not isinstance(model, PublishedModel) or not isinstance(fracture, PublishedModel):
        raise UsageError("expected --fractures and the network before it to be nnU-Nets, got a bundle")
    return replace(model, fracture=fracture)


def describe(model: Published, said: Description) -> NewPackage:
    """Returns the package that a model becomes. Raises UsageError."""
    table = named_table(said.labels) if said.labels else best_table(model.values)
    rows = label_rows(model.values, table, by_value=said.labels is not None and said.by_value)
    known = [row for row in rows if not lacks_code(row)]
    if said.known_only and known:
        rows = known
    if isinstance(model, PublishedModel) and model.fracture is not None:
        rows = with_fragments(rows, table)
    orientation = orientation_of(model, said.orientation, table.orientation if known else None)
    name = said.name or plain_name(model.origin.dataset)
    return NewPackage(name, said.title or model.origin.dataset, rows, orientation)


def with_shared_fracture(model: Published, new: NewPackage, shared: SharedFracture) -> NewPackage:
    """Returns a package whose bones go through the fracture network that packages share.

    Raises UsageError for a bundle, for a model with a fracture network of its own, and if none of the bones
    is one that the shared network splits.
    """
    if not isinstance(model, PublishedModel) or model.fracture is not None:
        got = "a fracture network of its own" if isinstance(model, PublishedModel) else "a bundle"
        raise UsageError(f"expected --split with an nnU-Net of bones alone, got {got}")
    if not any(map(shared.splits, new.labels)):
        raise UsageError(
            f"expected --split with labels of {', '.join(shared.users)}, got none of them in {new.name}"
        )
    return replace(new, shared=shared)


def left_out(model: Published, new: NewPackage) -> Sequence[str]:
    """Returns the model's labels that the package does not deliver."""
    delivered = {row["value"] for row in new.labels}
    return [name for name, value in model.values.items() if value not in delivered]


def orientation_of(model: Published, asked: str | None, tables: str | None) -> str:
    """Returns the orientation of the training images: the one asked for, the label table's, or the model's.

    Raises UsageError if one is asked for a model whose own steps orient the image.
    """
    if isinstance(model, PublishedModel):
        return asked or tables or model.recipe.orientation
    if asked is not None:
        raise UsageError("expected no --orientation for a bundle, which states its own")
    return ""
