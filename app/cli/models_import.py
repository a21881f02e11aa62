"""`osteon models import`: a published model becomes a package."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from app.cli.arguments import Config, Models
from app.settings import read_settings
from operators.errors import ModelError, UsageError
from operators.geometry.orientation import is_orientation
from operators.importing.formats import read_published
from operators.importing.install import NewPackage, install
from operators.importing.label_tables import (
    best_table,
    label_rows,
    named_table,
    plain_name,
    with_fragments,
)
from operators.importing.published import Published, PublishedModel, Wanted
from operators.package_files.package_reader import DRAFT_FILE, lacks_code


@dataclass(frozen=True)
class ImportOptions:
    """Options of `osteon models import`; what is not given is found out.

    Parameters
    ----------
    name
        What the package is to be called; else the data set's name.
    title
        How results name it.
    labels
        A known table of labels (ctpelvic1k, totalsegmentator) or a file like them.
    fold
        Take these folds only; else all there are.
    checkpoint
        File of each fold, or in a bundle's models folder; else the final one.
    orientation
        Directions of the training images' x, y, z, such as LPS or RAS.
    previous
        Folder of a cascade's stage before; else the one beside it that its plans name.
    fractures
        Folder of a network that splits each bone of the one in FOLDER, cut out of the CT.
    mirroring
        Mirror images as the checkpoints allow; else not, as with nnU-Net's --disable_tta.
    """

    name: str | None = None
    title: str | None = None
    labels: str | None = None
    fold: Annotated[list[str] | None, Parameter(negative="")] = None
    checkpoint: str | None = None
    orientation: str | None = None
    previous: Path | None = None
    fractures: Path | None = None
    mirroring: bool = True
    models: Models = None
    config: Config = None


def import_(
    folder: Path,
    /,
    *,
    options: Annotated[ImportOptions, Parameter(name="*")] = ImportOptions(),
) -> int:
    """Make a package of the model in FOLDER (nnU-Net v1 or v2, MONAI bundle). Nothing of it is executed.

    Parameters
    ----------
    folder
        Folder of the published model.
    """
    return import_command(folder, options)


def import_command(folder: Path, options: ImportOptions) -> int:
    """A published model becomes a package, or a draft of one where labels have no codes."""
    if options.orientation is not None and not is_orientation(options.orientation):
        raise UsageError(f"expected an orientation such as LPS or RAS, got {options.orientation}")
    model = model_of(folder, options)
    table = named_table(options.labels) if options.labels else best_table(model.values)
    rows = label_rows(model.values, table, by_value=options.labels is not None)
    if options.fractures is not None:
        rows = with_fragments(rows, table)
    known = not all(lacks_code(row) for row in rows)
    orientation = orientation_of(model, options.orientation, table.orientation if known else None)
    name = options.name or plain_name(model.origin.dataset)
    new = NewPackage(name, options.title or model.origin.dataset, rows, orientation)
    target = install(model, new, read_settings(options.config, models=options.models).models)
    return import_message(new, target)


def model_of(folder: Path, options: ImportOptions) -> Published:
    """The published model, with the one that splits its bones where one is given. Raises UsageError."""
    wanted = Wanted(tuple(options.fold or ()), options.checkpoint, options.previous, options.mirroring)
    model = read_published(require_folder(folder), wanted)
    if options.fractures is None:
        return model
    fracture = read_published(require_folder(options.fractures), wanted.others)
    if not isinstance(model, PublishedModel) or not isinstance(fracture, PublishedModel):
        raise UsageError("expected --fractures and the network before it to be nnU-Nets, got a bundle")
    return replace(model, fracture=fracture)


def require_folder(folder: Path) -> Path:
    """Raises UsageError where there is none."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder with a published model, got {folder}")
    return folder


def orientation_of(model: Published, asked: str | None, tables: str | None) -> str:
    """How the training images lay: as asked, as the table of labels knows, as the model says by itself.

    Raises UsageError where one is asked of a model whose steps turn the image themselves.
    """
    if isinstance(model, PublishedModel):
        return asked or tables or model.recipe.orientation
    if asked is not None:
        raise UsageError("expected no --orientation for a bundle, which says it itself")
    return ""


def import_message(new: NewPackage, target: Path) -> int:
    """Tells what was made; a draft is no package yet."""
    if new.complete:
        print(f"{new.name}: installed in {target}")
        return 0
    empty = sum(map(lacks_code, new.labels))
    print(
        f"osteon: {new.name}: {empty} of {len(new.labels)} labels have no code yet; fill them in in "
        f"{target / DRAFT_FILE}, then: osteon models verify {new.name}",
        file=sys.stderr,
    )
    return ModelError.exit_code
