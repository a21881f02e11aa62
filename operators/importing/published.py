"""A published model as found: the contents of its files in Osteon's terms, before anything is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
import yaml

from operators.errors import ModelError, UsageError, reason
from operators.geometry.components import Largest
from operators.packages.monai_bundle import LabelRules, SlidingWindow, Step
from operators.packages.packages import Normalisation
from operators.packages.plans import NnUNetPlans, Resampling, WeightsOrigin

State = dict[str, torch.Tensor]
# A window that clips nothing
WHOLE_RANGE_HU = (-32768.0, 32767.0)
# The exceptions that files with unexpected contents may cause
MALFORMED = (
    KeyError,
    TypeError,
    ValueError,
    IndexError,
    AttributeError,
    OSError,
    ArithmeticError,
    RecursionError,
    yaml.YAMLError,
)


@dataclass(frozen=True, eq=False)
class Published:
    """One network with its folds. `values` are those that each class or region writes, without the
    background.

    `checkpoints` are the folds' files; `weights` reads one of them as tensors, named as in `unets.py` or by
    MONAI.
    """

    origin: WeightsOrigin
    architecture: str
    arguments: dict[str, Any]
    spacing_mm: tuple[float, ...]
    patch: tuple[int, ...]
    classes: tuple[str, ...]
    values: Mapping[str, int]
    checkpoints: Mapping[str, Path]
    weights: Callable[[Path], State]


@dataclass(frozen=True, eq=False, kw_only=True)
class PublishedModel(Published):
    """A network of nnU-Net.

    A cascade has its previous stage as `previous`, and reads the classes of it that `guide` names. `fracture`
    splits its bones.
    """

    window_hu: tuple[float, float]
    normalisation: Normalisation
    recipe: NnUNetPlans
    guide: tuple[str, ...] = ()
    largest: tuple[Largest, ...] = ()
    previous: PublishedModel | None = None
    fracture: PublishedModel | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class PublishedBundle(Published):
    """A MONAI bundle."""

    steps: tuple[Step, ...]
    tiling: SlidingWindow
    outcome: LabelRules


@dataclass(frozen=True)
class Wanted:
    """A request for a published folder: folds (() for all), checkpoint, previous stage, mirroring."""

    folds: tuple[str, ...] = ()
    checkpoint: str | None = None
    previous: Path | None = None
    mirroring: bool = True

    @property
    def others(self) -> Wanted:
        """The request for the other networks of the same model."""
        return Wanted(self.folds, mirroring=self.mirroring)


def fold_files(folder: Path, checkpoint: str, wanted: tuple[str, ...]) -> dict[str, Path]:
    """Returns the checkpoint of each fold: of those named, else of all that exist. Raises ModelError,
    UsageError.

    The fold "all" is used if it is named or the only one, as in nnU-Net.
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
    """Returns the folder fold_NAME; version 1 calls the fold of all data just "all"."""
    bare = folder / name
    return bare if name == "all" and bare.is_dir() else folder / f"fold_{name}"


def missing_fold(folder: Path, expected: str, got: str) -> ModelError:
    """Returns the error for a missing fold."""
    return ModelError(f"{folder.name}: expected {expected}, got {got}", code="fold_missing")


def previous_folder(wanted: Wanted, sibling: Path) -> Path:
    """Returns the folder of the previous stage: the one that was given, else where the original looks for it.

    Raises ModelError if there is none.
    """
    folder = wanted.previous or sibling
    if not folder.is_dir():
        raise ModelError(
            f"a cascade: expected its previous stage in {folder}, got none; name it with --previous",
            code="previous_missing",
        )
    return folder


def joined(model: PublishedModel, previous: PublishedModel, resampling: Resampling) -> PublishedModel:
    """Returns a cascade of both, which reads all classes of the previous stage in the order of their values.

    Raises ModelError if the stages do not fit each other.
    """
    if previous.previous is not None:
        unsupported("expected a cascade of two stages, got one of more", "cascade_unsupported")
    if set(model.values.values()) != set(previous.values.values()):
        unsupported(
            f"a cascade: expected a previous stage with the values {sorted(model.values.values())}, got "
            f"{sorted(previous.values.values())} in {previous.origin.configuration}",
            "previous_does_not_fit",
        )
    guide = tuple(sorted(previous.values, key=lambda name: previous.values[name]))
    return replace(
        model,
        previous=previous,
        guide=guide,
        arguments=model.arguments | {"inputs": 1 + len(guide)},
        recipe=replace(model.recipe, guide=resampling),
    )


def require_no_previous(wanted: Wanted, configuration: str) -> None:
    """Raises UsageError if a previous stage was given for a network that reads none."""
    if wanted.previous is not None:
        raise UsageError(f"expected --previous only for a cascade, got it for {configuration}")


def unsupported(what: str, code: str = "preprocessing_unsupported") -> NoReturn:
    """Raises ModelError for a property that models may have but Osteon does not support."""
    raise ModelError(what, code=code)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turns the exceptions of malformed plans or configurations into a ModelError that names the file."""
    try:
        yield
    except MALFORMED as error:
        raise ModelError(
            f"expected a published model's plans or configuration in {name}, but could not read them: "
            f"{reason(error)}",
            code="plans_unreadable",
        ) from error
