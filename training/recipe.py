"""A training recipe: what `models/<anatomy>/training.toml` says, as frozen values."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from operators.errors import ModelError
from operators.packages.toml_files import fault_of, validated

SIDES = ("_left", "_right")
# What a network may have otherwise on a kind of device
DEVICE_TABLES = {"cuda": "gpu"}
# The row of the table of trainings for a recipe that names none
SIMULATED_CT: Literal["simulated_ct"] = "simulated_ct"
Read = TypeVar("Read")


@dataclass(frozen=True)
class NetworkRecipe:
    """How one network is trained; `classes` names its output channels, background first.

    `scored` are the classes whose Dice decides which weights are best. `gpu` holds what is
    otherwise where there is a GPU.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    spacing_mm: float
    patch: tuple[int, ...]
    window_hu: tuple[float, float]
    architecture: str
    filters: tuple[int, ...]
    steps: int
    learning_rate: float
    scored: tuple[str, ...]
    batch: int = 1
    class_weights: tuple[float, ...] | None = None
    dice_of_absent: bool = False
    guide: tuple[str, ...] = ()
    anywhere: float = 0.1
    negatives: float = 0.0
    boneless: float = 0.0
    fractured_bones: float = 0.0
    phantom_bones: float = 0.0
    gpu: dict[str, Any] = field(default_factory=dict)

    def on(self, device: str) -> NetworkRecipe:
        """This network as it is trained on a kind of device, as torch names it."""
        table = DEVICE_TABLES.get(device)
        return replace(self, **getattr(self, table)) if table else self


class Table(BaseModel):
    """A table of training.toml."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class LabelMapTable(Table):
    """[[label_maps]]: a whole-body label map."""

    path: str
    """A NIfTI file below the data folder."""
    names: str
    """JSON: what each value is, by the names of structures."""


class BoneSetTable(Table):
    """[[bone_sets]]: bones of one patient, masked out of a CT."""

    folder: str
    """With one NIfTI file for each bone, below the data folder."""
    bones: dict[str, str]
    """Suffix of each file's name, and the structure that it shows."""
    around: LabelMapTable | None = None
    """The label map whose body is bent to fit around them."""


class NegativesTable(Table):
    """[negatives]: real CTs, and the classes (patterns) that none of them shows."""

    absent: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class PhantomsTable(Table):
    """[phantoms]: procedural bodies."""

    model: str = ""
    """A row of the table of phantoms; recipes from before there was a choice name none."""
    count: int = 0
    """How many bodies."""
    share: float = 0.0
    """The share of patches that come from them."""
    scanned: int = 0
    """Of how many a CT is made for the fracture network."""


class FractureBonesTable(Table):
    """[fracture_bones]: which bones of the label maps the fracture network sees."""

    patterns: tuple[str, ...] = ()
    between: int = 0
    """New shapes for every two bones of a kind."""


class CalibrationTable(Table):
    """[calibration]: what the probability of a bone being there is fitted on."""

    bodies: int = 0
    """Procedural bodies, with seeds of their own."""
    negatives: tuple[str, ...] = ()
    """CTs without the anatomy that training never saw."""


class LicenceTable(Table):
    """[[licences]]: where the data come from."""

    under: str
    """A folder of the data."""
    source: str
    licence: str


class SourceTables(Table):
    """What training images are made of; all but `classes` may be left out."""

    classes: dict[str, tuple[str, ...]]
    """Classes of the anatomy networks, and the structures (patterns) that each holds."""
    held_out: tuple[str, ...] = ()
    """Cases that are never trained on or watched."""
    licences: tuple[LicenceTable, ...] = ()
    label_maps: tuple[LabelMapTable, ...] = ()
    bone_sets: tuple[BoneSetTable, ...] = ()
    negatives: NegativesTable = NegativesTable()
    phantoms: PhantomsTable = PhantomsTable()
    fracture_bones: FractureBonesTable = FractureBonesTable()
    calibration: CalibrationTable = CalibrationTable()


class ValidationRules(Table):
    """[validation]: how a training is watched.

    Every `every` steps the averaged weights read `patches` simulated patches that never change.
    After `patience` readings in a row without a better score the learning rate falls to its end
    within the share `fall` of the steps. `real` are bone sets that are read too and decide nothing.
    """

    patches: int = Field(ge=1)
    every: int = Field(ge=1)
    patience: int = Field(ge=1)
    fall: float = Field(gt=0, le=1)
    real: tuple[BoneSetTable, ...] = ()


class GpuTable(Table):
    """[networks.NAME.gpu]: what is otherwise where there is a GPU."""

    patch: tuple[int, ...] = ()
    filters: tuple[int, ...] = ()
    batch: int = 1
    steps: int = 0
    learning_rate: float = 0.0


class NetworkTable(Table):
    """[networks.NAME]: how one network is trained."""

    kind: Literal["anatomy", "fracture"]
    sides: bool = True
    """Whether left and right are classes of their own."""
    spacing_mm: float = Field(gt=0)
    patch: tuple[int, ...]
    window_hu: tuple[float, float]
    architecture: str
    filters: tuple[int, ...]
    steps: int
    learning_rate: float
    scored: tuple[str, ...] = ()
    """Classes whose Dice decides which weights are best; all but the background where left out."""
    batch: int = 1
    class_weights: tuple[float, ...] | None = None
    dice_of_absent: bool = False
    guide: tuple[str, ...] = ()
    """Conditioning channels: classes of the coarse network."""
    anywhere: float = 0.1
    """Share of patches that lie anywhere in the body."""
    negatives: float = 0.0
    boneless: float = 0.0
    fractured_bones: float = 0.0
    phantom_bones: float = 0.0
    gpu: GpuTable = GpuTable()


class RecipeFile(SourceTables):
    """training.toml of an anatomy in CT."""

    subjects: Literal["simulated_ct"] = SIMULATED_CT
    networks: dict[str, NetworkTable]
    validation: ValidationRules | None = None


@dataclass(frozen=True)
class Recipe:
    """Sources and networks of one anatomy; without `validation` the last averaged weights are taken."""

    sources: SourceTables
    networks: dict[str, NetworkRecipe]
    validation: ValidationRules | None = None

    def class_patterns(self, network: NetworkRecipe) -> dict[str, list[str]]:
        """Class name to structure name patterns, left and right merged for a network blind to sides."""
        merged: dict[str, list[str]] = {name: [] for name in network.classes[1:]}
        for name, patterns in self.sources.classes.items():
            merged[name if name in merged else without_side(name)].extend(patterns)
        return merged


def without_side(name: str) -> str:
    """`name` without its suffix for left or right."""
    for side in SIDES:
        name = name.removesuffix(side)
    return name


def read_recipe(path: Path) -> Recipe:
    """Reads the training.toml of an anatomy in CT. Raises ModelError where it is not one."""
    return read_recipe_as(recipe_of, path)


def subjects_of(path: Path) -> str:
    """What a training.toml says that images come from. Raises ModelError where it is none."""
    return read_recipe_as(lambda table: str(table.get("subjects", SIMULATED_CT)), path)


def read_recipe_as(read: Callable[[dict[str, Any]], Read], path: Path) -> Read:
    """Reads a training.toml as what `read` makes of its tables. Raises ModelError where it is none."""
    table: dict[str, Any] = {}
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        return read(table)
    except (OSError, ValueError) as error:
        said = fault_of(error, table)
        raise ModelError(
            f"expected a training recipe in {path.parent.name}/{path.name}, could not read it: {said}",
            code="recipe_unreadable",
        ) from error


def recipe_of(table: dict[str, Any]) -> Recipe:
    """Reads a parsed training.toml.

    Raises pydantic's ValidationError, and ValueError where a held-out case is used.
    """
    file = validated(RECIPE_FILE_MODEL, table)
    require_held_out(file)
    sources = SourceTables(**{key: getattr(file, key) for key in SourceTables.model_fields})
    networks = {name: network_recipe(name, row, file.classes) for name, row in file.networks.items()}
    return Recipe(sources, networks, file.validation)


def require_held_out(file: RecipeFile) -> None:
    """Raises ValueError where a held-out case is to be trained on or watched."""
    watched = file.validation.real if file.validation else ()
    for where, rows in (("bone_sets", file.bone_sets), ("validation.real", watched)):
        used = {Path(row.folder).name for row in rows} & set(file.held_out)
        if used:
            raise ValueError(f"{where}: expected no held-out case, got {', '.join(sorted(used))}")


def network_recipe(name: str, row: NetworkTable, classes: Mapping[str, Sequence[str]]) -> NetworkRecipe:
    """One network as it is trained. Raises ValueError."""
    if row.kind == "fracture":
        names: tuple[str, ...] = ("background", "interior", "contact")
    else:
        names = ("background", *dict.fromkeys(c if row.sides else without_side(c) for c in classes))
    given = {key: getattr(row, key) for key in NetworkTable.model_fields if key not in ("sides", "gpu")}
    given |= {"scored": row.scored or names[1:], "gpu": row.gpu.model_dump(exclude_unset=True)}
    network = NetworkRecipe(name=name, classes=names, **given)
    for problem in (*problems(network), *problems(network.on("cuda"))):
        raise ValueError(f"networks.{name}: expected {problem}")
    return network


RECIPE_FILE_MODEL = TypeAdapter(RecipeFile)


def problems(network: NetworkRecipe) -> Iterator[str]:
    """Yields faults that would stop a training only after minutes."""
    step = 2 ** (len(network.filters) - 1)
    if any(side % step for side in network.patch):
        yield f"a patch in steps of {step} voxels for {len(network.filters)} levels, got {network.patch}"
    if min(network.steps, network.batch) < 1:
        yield f"steps and batch of 1 or more, got {network.steps} and {network.batch}"
    if not set(network.scored) <= set(network.classes):
        yield f"scored classes among {', '.join(network.classes)}, got {', '.join(network.scored)}"
    if network.class_weights and len(network.class_weights) != len(network.classes):
        yield f"{len(network.classes)} class_weights, got {len(network.class_weights)}"
