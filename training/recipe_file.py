"""The tables of `models/<anatomy>/training.toml`, as pydantic reads them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


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
    """training.toml."""

    networks: dict[str, NetworkTable]
    validation: ValidationRules | None = None


RECIPE_FILE_MODEL = TypeAdapter(RecipeFile)
