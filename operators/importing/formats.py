"""The published formats that can be read: a table of how each is recognised and read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from operators.errors import ModelError
from operators.importing.monai_bundle.bundle import is_bundle, read_bundle
from operators.importing.nnunet.nnunet_v1 import read_nnunet_v1
from operators.importing.nnunet.nnunet_v2 import read_nnunet_v2
from operators.importing.published import Published, Wanted

Reader = Callable[[Path, Wanted], Published]


def _holds(*names: str) -> Callable[[Path], bool]:
    """Returns whether a folder holds all files of these names."""
    return lambda folder: all((folder / name).is_file() for name in names)


FORMATS: dict[str, tuple[Callable[[Path], bool], Reader]] = {
    "nnU-Net v2 (plans.json, dataset.json)": (_holds("plans.json", "dataset.json"), read_nnunet_v2),
    "nnU-Net v1 (plans.pkl)": (_holds("plans.pkl"), read_nnunet_v1),
    "a MONAI bundle (configs/metadata.json, configs/inference.json)": (is_bundle, read_bundle),
}


def read_published(folder: Path, wanted: Wanted) -> Published:
    """Reads the model in a folder. Raises ModelError for a folder that holds none."""
    for known, read in FORMATS.values():
        if known(folder):
            return read(folder, wanted)
    inner = sorted(path.name for path in below(folder) if is_network(path))
    hint = f"; there is one in the subfolder {inner[0]}" if inner else ""
    raise ModelError(
        f"expected a folder of {' or '.join(FORMATS)}, got {folder.name} with none of them{hint}",
        code="no_model",
    )


def is_network(folder: Path) -> bool:
    """Returns whether a folder holds a network in one of the formats."""
    return any(known(folder) for known, _ in FORMATS.values())


def below(folder: Path) -> list[Path]:
    """Returns the subfolders of a folder."""
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
