"""`osteon models`: what packages there are, and how published networks become packages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

Models = Annotated[Path | None, Parameter(name=["--models", "-m"], help="Folder of model packages")]
Config = Annotated[
    Path | None, Parameter(name="--config", help="Configuration file; else ./app.yaml, or the application's")
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON")]

models_app = App(name="models", help="Model packages: list, show, import, verify, bench.")


@models_app.command(name="list")
def list_(*, models: Models = None, config: Config = None, json_: Json = False) -> int:
    """The packages of the models folder, and drafts whose labels are not filled in yet."""
    from app.cli.models_command import list_command

    return list_command(json_, config, models)


@models_app.command
def show(name: str, /, *, models: Models = None, config: Config = None, json_: Json = False) -> int:
    """One package: networks, what they read, labels with their codes.

    Parameters
    ----------
    name
        Name of a package.
    """
    from app.cli.models_command import show_command

    return show_command(name, json_, config, models)


@models_app.command(name="import")
def import_(
    folder: Path,
    /,
    *,
    name: str | None = None,
    title: str | None = None,
    labels: str | None = None,
    fold: Annotated[list[str] | None, Parameter(negative="")] = None,
    checkpoint: str | None = None,
    orientation: str | None = None,
    previous: Path | None = None,
    fractures: Path | None = None,
    mirroring: bool = True,
    models: Models = None,
    config: Config = None,
) -> int:
    """Make a package of the model in FOLDER (nnU-Net v1 or v2, MONAI bundle). Nothing of it is executed.

    Parameters
    ----------
    folder
        Folder of the published model.
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
    from app.cli.models_import import ImportOptions, import_command

    options = ImportOptions(
        name, title, labels, tuple(fold or ()), checkpoint, orientation, previous, fractures, mirroring
    )
    return import_command(folder, options, config, models)


@models_app.command
def verify(name: str | None = None, /, *, models: Models = None, config: Config = None) -> int:
    """Check files, checksums, labels and networks of one package or of all; a filled-in draft becomes one.

    Parameters
    ----------
    name
        Name of a package; all of them unless given.
    """
    from app.cli.models_command import verify_command

    return verify_command(name, config, models)


@models_app.command
def bench(
    name: str | None = None,
    /,
    *,
    models: Models = None,
    device: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    config: Config = None,
) -> int:
    """Measure the networks of one package or of all on this machine: seconds a patch, GFLOP/s, memory.

    Parameters
    ----------
    name
        Name of a package; all of them unless given.
    device
        Where they run: auto, cpu, cuda.
    runtime
        What runs them: auto, openvino, torch.
    precision
        Their arithmetic: auto, f32, bf16.
    """
    from app.cli.models_bench import bench_command

    ways = {"device": device, "runtime": runtime, "precision": precision}
    return bench_command(name, config, models=models, **ways)
