"""The training recipe: `models/<anatomy>/training.toml` as frozen values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, TypeAdapter

from operators.packages.iterative import ONE_BY_ONE_CLASSES
from operators.packages.toml_files import read_toml, validated
from training.recipe_file import SourceTables, ValidationRules
from training.row_tables import RowTable, Table

# The row of the table of trainings for a recipe that names none
SIMULATED_CT: Literal["simulated_ct"] = "simulated_ct"
SIDES = ("_left", "_right")
Read = TypeVar("Read")


class GpuTable(Table):
    """[networks.NAME.gpu]: settings that replace others on a GPU."""

    patch: tuple[int, ...] = ()
    filters: tuple[int, ...] = ()
    batch: int = 1
    steps: int = 0
    learning_rate: float = 0.0


class NetworkTable(Table):
    """[networks.NAME]: how one network is trained."""

    kind: Literal["anatomy", "fracture", "instance", "level"]
    sides: bool = True
    """Whether left and right are separate classes."""
    spacing_mm: float = Field(gt=0)
    patch: tuple[int, ...]
    window_hu: tuple[float, float]
    architecture: str
    filters: tuple[int, ...]
    steps: int
    learning_rate: float
    scored: tuple[str, ...] = ()
    """Classes whose Dice decides which weights are best; by default all but the background."""
    batch: int = 1
    class_weights: tuple[float, ...] | None = None
    dice_of_absent: bool = False
    loss: Literal["dice_ce", "distance_weighted"] = "dice_ce"
    """Of anatomy and fracture networks: Dice with cross-entropy, or the same with errors weighted by the
    distance from where bones or fragments touch, which takes effect gradually (FracSegNet)."""
    guide: tuple[str, ...] = ()
    """Conditioning channels: classes of the coarse network."""
    anywhere: float = 0.1
    """Share of patches at a random place of the body."""
    negatives: float = 0.0
    boneless: float = 0.0
    implants: float = 0.04
    """Share of patches with metal in or on bone."""
    limbs: bool = True
    """Whether arms of which no class is known may lie beside the body."""
    fractured_bones: float = 0.0
    phantom_bones: float = 0.0
    row: RowTable = RowTable()
    gpu: GpuTable = GpuTable()


class RecipeFile(SourceTables):
    """training.toml of an anatomy in CT."""

    subjects: Literal["simulated_ct", "labelled_ct"] = SIMULATED_CT
    networks: dict[str, NetworkTable] = Field(default_factory=dict)
    """The networks to train; none if all are shared, and only the fracture decision is calibrated."""
    validation: ValidationRules | None = None


class NetworkRecipe(NetworkTable):
    """How one network is trained; `classes` names its output channels, background first."""

    name: str
    classes: tuple[str, ...]

    def on(self, device: str) -> NetworkRecipe:
        """Returns the recipe for a kind of device, by torch's name of it."""
        gpu = self.gpu.model_dump(exclude_unset=True)
        return self.model_copy(update=gpu) if device == "cuda" else self


@dataclass(frozen=True)
class Recipe:
    """Sources and networks of one anatomy; without `validation` the last averaged weights are installed."""

    sources: SourceTables
    networks: dict[str, NetworkRecipe]
    validation: ValidationRules | None = None

    def class_patterns(self, network: NetworkRecipe) -> dict[str, list[str]]:
        """Returns the structure patterns of each class, left and right merged for a network without sides."""
        merged: dict[str, list[str]] = {name: [] for name in network.classes[1:]}
        for name, patterns in self.sources.classes.items():
            merged[name if name in merged else without_side(name)].extend(patterns)
        return merged


def without_side(name: str) -> str:
    """Returns `name` without its suffix for left or right."""
    for side in SIDES:
        name = name.removesuffix(side)
    return name


def read_recipe(path: Path) -> Recipe:
    """Reads the training.toml of an anatomy in CT. Raises ModelError where it is not one."""
    return read_recipe_as(recipe_of, path)


def subjects_of(path: Path) -> str:
    """Returns what a training.toml says that images come from. Raises ModelError where it is none."""
    return read_recipe_as(lambda table: str(table.get("subjects", SIMULATED_CT)), path)


def read_recipe_as(read: Callable[[dict[str, Any]], Read], path: Path) -> Read:
    """Reads a training.toml as what `read` makes of its tables. Raises ModelError where it is none."""
    return read_toml(path, read, "a training recipe", "recipe_unreadable")


def recipe_of(table: dict[str, Any]) -> Recipe:
    """Builds a recipe from a parsed training.toml. Raises ValueError, also if a held-out case is used."""
    file = validated(TypeAdapter(RecipeFile), table)
    require_held_out(file)
    sources = SourceTables(**{key: getattr(file, key) for key in SourceTables.model_fields})
    networks = {name: network_recipe(name, row, file.classes) for name, row in file.networks.items()}
    return Recipe(sources, networks, file.validation)


def require_held_out(file: RecipeFile) -> None:
    """Raises ValueError if a held-out case is used for training or validation."""
    real = file.validation.real if file.validation else ()
    used = {
        "bone_sets": [row.folder for row in file.bone_sets],
        "validation.real": [row.folder for row in real],
        "label_maps": [row.path for row in file.label_maps],
        "posed_bones": [subject for row in file.posed_bones for subject in row.subjects],
        "deformed_rows": [row.path for row in file.deformed_rows],
        "negatives": [path for row in file.negatives for path in row.paths],
    }
    for where, paths in used.items():
        names = {name for path in paths for name in (Path(path).name, Path(path).name.split(".")[0])}
        if names & set(file.held_out):
            said = ", ".join(sorted(names & set(file.held_out)))
            raise ValueError(f"{where}: expected no held-out case, got {said}")


def network_recipe(name: str, row: NetworkTable, classes: Mapping[str, Sequence[str]]) -> NetworkRecipe:
    """Builds the recipe of one network. Raises ValueError if it contradicts itself."""
    names = CLASSES[row.kind](row, tuple(classes))
    given: dict[str, Any] = {**dict(row), "scored": row.scored or names[1:]}
    network = NetworkRecipe(name=name, classes=names, **given)
    for problem in (*problems(network), *problems(network.on("cuda"))):
        raise ValueError(f"networks.{name}: expected {problem}")
    return network


def of_anatomy(row: NetworkTable, classes: Sequence[str]) -> tuple[str, ...]:
    """Returns the classes of a recipe, left and right merged for a network without sides."""
    return ("background", *dict.fromkeys(c if row.sides else without_side(c) for c in classes))


def of_levels(row: NetworkTable, classes: Sequence[str]) -> tuple[str, ...]:
    """Returns the levels that are the classes of a recipe, the regions that they lie in, and ribs."""
    return ("background", *classes, *(f"region_{n}" for n in range(len(row.row.regions))), "ribs")


# The output channels of a network by its kind, from the classes of its recipe
CLASSES: dict[str, Callable[[NetworkTable, Sequence[str]], tuple[str, ...]]] = {
    "anatomy": of_anatomy,
    "fracture": lambda *_: ("background", "interior", "contact"),
    "instance": lambda *_: ONE_BY_ONE_CLASSES,
    "level": of_levels,
}


# Voxels along each side that an architecture reads as one
READ_AS_ONE = {"subpixel_unet": 2}


def problems(network: NetworkRecipe) -> Iterator[str]:
    """Yields faults that would otherwise stop a training only after minutes."""
    step = READ_AS_ONE.get(network.architecture, 1) * 2 ** (len(network.filters) - 1)
    if any(side % step for side in network.patch):
        yield f"a patch in steps of {step} voxels for {len(network.filters)} levels, got {network.patch}"
    if min(network.steps, network.batch) < 1:
        yield f"steps and batch of 1 or more, got {network.steps} and {network.batch}"
    if not set(network.scored) <= set(network.classes):
        yield f"scored classes among {', '.join(network.classes)}, got {', '.join(network.scored)}"
    of_one = network.kind in ("instance", "level")
    if of_one and len(network.guide) != 1:
        yield f"one conditioning channel, which says what is outlined, got {network.guide}"
    if of_one and network.loss != "dice_ce":
        yield f"a loss of anatomy or fracture networks only, got loss = {network.loss!r}"
    levels = sum(region.levels for region in network.row.regions)
    if network.kind == "level" and levels != len(network.classes) - len(network.row.regions) - 2:
        yield f"row.regions of all classes of the recipe, got {levels} levels"
    if network.class_weights and len(network.class_weights) != len(network.classes):
        yield f"{len(network.classes)} class_weights, got {len(network.class_weights)}"
