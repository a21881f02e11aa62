"""A published model as it was found: what its files say, in Osteon's words, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import torch

from operators.errors import ModelError, UsageError
from operators.imaging.packages import Normalisation, Origin, Recipe

State = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class PublishedModel:
    """One network with its folds. `values` are what each class or region writes, but the background.

    `checkpoints` are the folds' files; `weights` reads one of them as tensors named as in `unets.py`.
    """

    origin: Origin
    architecture: str
    arguments: dict[str, object]
    spacing_mm: tuple[float, ...]
    patch: tuple[int, ...]
    window_hu: tuple[float, float]
    normalisation: Normalisation
    recipe: Recipe
    classes: tuple[str, ...]
    values: Mapping[str, int]
    checkpoints: Mapping[str, Path]
    weights: Callable[[Path], State]


def fold_files(folder: Path, checkpoint: str, wanted: tuple[str, ...]) -> dict[str, Path]:
    """The checkpoint of each fold: of those named, else of all there are. Raises ModelError.

    The fold "all" is taken where it is named or alone, as nnU-Net does it.
    """
    there = sorted(path.name.removeprefix("fold_") for path in folder.glob("fold_*") if path.is_dir())
    there += ["all"] * (folder / "all").is_dir()
    numbered = [name for name in there if name != "all"]
    folds = list(dict.fromkeys(wanted)) or numbered or there
    if not folds:
        raise missing_fold(folder, f"a fold_0 with {checkpoint}", "no folds")
    if any(not name.isalnum() for name in folds):
        raise UsageError(f"expected folds as numbers or all, got {', '.join(folds)}")
    files = {f"fold_{name}": fold_folder(folder, name) / checkpoint for name in folds}
    for name, path in files.items():
        if not path.is_file():
            raise missing_fold(folder, f"{name}/{checkpoint}", f"folds {', '.join(there) or 'none'}")
    return files


def fold_folder(folder: Path, name: str) -> Path:
    """fold_NAME; version 1 calls the fold of all data just "all"."""
    bare = folder / name
    return bare if name == "all" and bare.is_dir() else folder / f"fold_{name}"


def missing_fold(folder: Path, expected: str, got: str) -> ModelError:
    """The error of a fold that is not there."""
    return ModelError(f"{folder.name}: expected {expected}, got {got}", code="fold_missing")


def unsupported(what: str, code: str) -> NoReturn:
    """Raises ModelError for something that a model may have and Osteon cannot run."""
    raise ModelError(what, code=code)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns what malformed plans cause into a ModelError that names the file."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OSError) as error:
        raise ModelError(
            f"expected nnU-Net's plans in {name}, could not read them: {type(error).__name__} {error}",
            code="plans_unreadable",
        ) from error
