"""`osteon models import`: makes a package of a published model."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from app.cli.arguments import Config, Models
from app.settings import read_settings
from operators.errors import ModelError, UsageError
from operators.package_files.package_reader import DRAFT_FILE, lacks_code

if TYPE_CHECKING:
    from operators.importing.install import NewPackage


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
    split
        The shared fracture network splits those bones that Osteon's packages split; otherwise none is split.
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
    split: Annotated[bool, Parameter(negative="")] = False
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
    from operators.geometry.orientation import is_orientation
    from operators.importing.descriptions import Description, describe, read_model, with_shared_fracture
    from operators.importing.install import install
    from operators.importing.published import Wanted
    from operators.importing.shared_fracture import shared_fracture

    if options.orientation is not None and not is_orientation(options.orientation):
        raise UsageError(f"expected an orientation such as LPS or RAS, got {options.orientation}")
    wanted = Wanted(tuple(options.fold or ()), options.checkpoint, options.previous, options.mirroring)
    fractures = options.fractures and require_folder(options.fractures)
    model = read_model(require_folder(folder), fractures, wanted)
    said = Description(options.name, options.title, options.labels, orientation=options.orientation)
    new, models = describe(model, said), read_settings(options.config, models=options.models).models
    if options.split:
        new = with_shared_fracture(model, new, shared_fracture(models))
    target = install(model, new, models)
    return import_message(new, target)


def require_folder(folder: Path) -> Path:
    """Returns `folder`. Raises UsageError if it is not a folder."""
    if not folder.is_dir():
        raise UsageError(f"expected a folder with a published model, got {folder}")
    return folder


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
