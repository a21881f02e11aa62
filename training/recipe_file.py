"""The tables of `models/<anatomy>/training.toml`, as pydantic reads them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

# The row of the table of trainings for a recipe that names none
SIMULATED_CT: Literal["simulated_ct"] = "simulated_ct"


class Table(BaseModel):
    """A table of training.toml."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class LabelMapTable(Table):
    """[[label_maps]]: a whole-body label map."""

    path: str
    """A NIfTI file below the data folder."""
    names: str
    """JSON file: the structure's name for each value."""


class BoneSetTable(Table):
    """[[bone_sets]]: the bones of one patient, masked out of a CT."""

    folder: str
    """A folder below the data folder with one NIfTI file for each bone."""
    bones: dict[str, str]
    """Structure by suffix of the file's name."""
    around: LabelMapTable | None = None
    """The label map whose body is deformed to fit around the bones."""


class NegativesTable(Table):
    """[negatives]: real CTs, and the classes (as patterns) that none of them shows."""

    absent: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


class PhantomsTable(Table):
    """[phantoms]: procedural bodies."""

    model: str = ""
    """The phantom, a row of PHANTOMS; recipes older than the choice name none."""
    count: int = 0
    """Number of bodies."""
    share: float = 0.0
    """Share of patches that show them."""
    scanned: int = 0
    """Number of bodies of which a CT is drawn for the fracture network."""


class FractureBonesTable(Table):
    """[fracture_bones]: which bones of the label maps the fracture network sees."""

    patterns: tuple[str, ...] = ()
    between: int = 0
    """Number of new shapes for every two bones of a kind."""


class CalibrationTable(Table):
    """[calibration]: scans for fitting the probabilities that a bone is present, and that it is fractured."""

    bodies: int = 0
    """Number of procedural bodies, drawn from seeds that training does not use."""
    negatives: tuple[str, ...] = ()
    """CTs without the anatomy that training never saw."""
    intact: tuple[str, ...] = ()
    """CTs of the anatomy without a fracture: folders of DICOM, NIfTI or NRRD files. The intact bones of the
    bone sets count too."""


class LicenceTable(Table):
    """[[licences]]: source and licence of the data."""

    under: str
    """A folder below the data folder."""
    source: str
    licence: str


class SourceTables(Table):
    """The sources of training images; all but `classes` are optional."""

    classes: dict[str, tuple[str, ...]]
    """Classes of the anatomy networks, and the structures (as patterns) of each."""
    held_out: tuple[str, ...] = ()
    """Cases that are never used for training or validation."""
    licences: tuple[LicenceTable, ...] = ()
    label_maps: tuple[LabelMapTable, ...] = ()
    bone_sets: tuple[BoneSetTable, ...] = ()
    negatives: NegativesTable = NegativesTable()
    phantoms: PhantomsTable = PhantomsTable()
    fracture_bones: FractureBonesTable = FractureBonesTable()
    calibration: CalibrationTable = CalibrationTable()


class ValidationRules(Table):
    """[validation]: validation and early stopping.

    Every `every` steps the averaged weights are scored on `patches` fixed simulated patches. After
    `patience` scores in a row without improvement the learning rate decays to its end within the share
    `fall` of the steps. `real` are bone sets that are scored too and decide nothing.
    """

    patches: int = Field(ge=1)
    every: int = Field(ge=1)
    patience: int = Field(ge=1)
    fall: float = Field(gt=0, le=1)
    real: tuple[BoneSetTable, ...] = ()


class GpuTable(Table):
    """[networks.NAME.gpu]: settings that replace others on a GPU."""

    patch: tuple[int, ...] = ()
    filters: tuple[int, ...] = ()
    batch: int = 1
    steps: int = 0
    learning_rate: float = 0.0


class NetworkTable(Table):
    """[networks.NAME]: how one network is trained."""

    kind: Literal["anatomy", "fracture"]
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
    guide: tuple[str, ...] = ()
    """Conditioning channels: classes of the coarse network."""
    anywhere: float = 0.1
    """Share of patches at a random place of the body."""
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


RECIPE_FILE_MODEL = TypeAdapter(RecipeFile)
