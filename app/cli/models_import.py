"""`osteon models import`: makes a package of a published model."""

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
from operators.importing.label_tables import best_table, label_rows, named_table, plain_name, with_fragments
from operators.importing.published import Published, PublishedModel, Wanted
from operators.package_files.package_reader import DRAFT_FILE, lacks_code


@dataclass(frozen=True)
class ImportOptions:
    """Options of `osteon models import`; what is not given is read from the model.

    Parameters
    ----------
    name
        Name of the package; default: the name of the data set.
    title
        Name of the package in results.
    labels
        A known table of labels (ctpelvic1k, totalsegmentator), or a file in the same format.
    fold
        Use this fold only, repeatable; default: all folds.
    checkpoint
        File name in each fold, or in a bundle's models folder; default: the final checkpoint.
    orientation
        Directions of the training images' x, y and z axes, such as LPS or RAS.
    previous
        Folder of the previous stage of a cascade; default: the folder beside FOLDER that its plans name.
    fractures
        Folder of a network that splits each bone found by the one in FOLDER, cropped from the CT.
    mirroring
        Average over mirrored images as the checkpoints allow; otherwise as with nnU-Net's --disable_tta.
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
    """Make a package of the model in FOLDER (nnU-Net v1 or v2, MONAI bundle). No code in it is executed.

    Parameters
    ----------
    folder
        Folder of the published model.
    """
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
    """Returns the published model, with the network that splits its bones if one is given.

    Raises UsageError.
    """
    wanted = Wanted(tuple(options.fold or ()), options.checkpoint, options.previous, options.mirroring)
    model = read_published(require_folder(folder), wanted)
    if options.fractures is None:
        return model
    fracture = read_published(require_folder(options.fractures), wanted.others)
    if not isinstance(model, PublishedModel) or not isinstance(fracture, PublishedModel):
        raise UsageError("expected --fractures and the network before it to be nnU-Nets, got a bundle")
    return replace(model, fracture=fracture)


def require_folder(folder: Path) -> Path:
    """Returns `folder`. Raises UsageError if it is not a folder."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder with a published model, got {folder}")
    return folder


def orientation_of(model: Published, asked: str | None, tables: str | None) -> str:
    """Returns the orientation of the training images: the one asked for, the label table's, or the model's.

    Raises UsageError if one is asked for a model whose own steps orient the image.
    """
    if isinstance(model, PublishedModel):
        return asked or tables or model.recipe.orientation
    if asked is not None:
        raise UsageError("expected no --orientation for a bundle, which states its own")
    return ""


def import_message(new: NewPackage, target: Path) -> int:
    """Prints what was made; a draft has the exit code of ModelError, as it is not a package yet."""
    if new.complete:
        print(f"{new.name}: installed in {target}")
        return 0
    empty = sum(map(lacks_code, new.labels))
    print(
        f"osteon: {new.name}: {empty} of {len(new.labels)} labels have no code yet; complete "
        f"{target / DRAFT_FILE}, then run: osteon models verify {new.name}",
        file=sys.stderr,
    )
    return ModelError.exit_code
