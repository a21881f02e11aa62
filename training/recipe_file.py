"""The tables of `models/<anatomy>/training.toml` that say where training images come from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from training.row_tables import DeformedRowTable, LabelMapTable, Table


class BodyTable(LabelMapTable):
    """[[label_maps]]: a label map with its surroundings."""

    around: LabelMapTable | None = None
    """For a label map of bones alone, the one whose body is deformed to fit around them."""
    margin_mm: float = 12.0
    """Thickness of skin and fat over what is labelled."""


class SurfaceTable(Table):
    """[[posed_bones.surfaces]]: a file with the surfaces of one or several bones."""

    path: str
    """A PLY or STL file below the data folder; `{subject}` stands for each of `subjects`."""
    bones: tuple[str, ...]
    """Structure of each separate surface, in the file's order."""
    unit_mm: float = 1.0
    axes: tuple[str, str, str] = ("x", "y", "z")
    """Axes of the file that run to the left, posterior and superior, such as `-z`."""
    origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Where the file's origin lies."""


class SolidTable(Table):
    """[[posed_bones.solids]]: an ellipsoid at the end of a bone, for what no surface shows."""

    structure: str
    at: str
    """A bone, without its side if there are two."""
    end: Literal["low", "high"]
    """The end of that bone at which the ellipsoid's frame has its origin."""
    centre_mm: tuple[float, float, float]
    radii_mm: tuple[float, float, float]


class JointTable(Table):
    """[[posed_bones.joints]]: a joint, from distal to proximal. Bones are named without their side."""

    ball: str
    """The bone with the rounded end."""
    socket: str
    """The bone that it meets."""
    moves: tuple[str, ...]
    """The structures that move about the joint."""
    reach_mm: float = 8.0
    """The joint's centre is that of the sphere through the ball's points so near to the socket."""
    end: tuple[float, float, float] = (0.0, 0.0, 1.0)
    """The direction (LPS, left side) in which a `seated` ball is outermost; `reach_mm` counts from there."""
    at_origin: bool = False
    """Whether the file has its origin in the joint's centre, which comes to that of the body around."""
    seated: bool = False
    """Whether what moves is first shifted until the ball lies in the middle of the socket."""
    rests: bool = False
    """Whether what moves is first shifted along the body until the socket touches the ball from below."""
    flexion_deg: tuple[float, float] = (0.0, 0.0)
    """Range of turning about the left-right axis; positive moves the lower end forward."""
    abduction_deg: tuple[float, float] = (0.0, 0.0)
    """Range of turning about the anterior-posterior axis; positive moves the lower end outward."""
    rotation_deg: tuple[float, float] = (0.0, 0.0)
    """Range of turning about the body's axis; positive turns the front outward."""
    gap_mm: tuple[float, float] = (0.0, 0.0)
    """Range of the joint space: the socket recedes where it is nearer to the ball."""
    missing: float = 0.0
    """Chance that all that moves is missing, as after an amputation."""


class PosedBonesTable(Table):
    """[[posed_bones]]: bodies whose bones are surfaces, put together and posed anew for each."""

    name: str
    count: int
    """Number of bodies."""
    spacing_mm: float = 2.0
    subjects: tuple[str, ...] = ()
    """Subjects whose surfaces have corresponding points."""
    mixed: int = 3
    """Number of subjects of whose shapes each body has a mean, with random weights."""
    size: float = 0.08
    """Greatest change of the body's size, and of its proportions by a third of it."""
    surfaces: tuple[SurfaceTable, ...] = ()
    solids: tuple[SolidTable, ...] = ()
    mirrored: tuple[str, ...] = ()
    """Bones, without their side, of which only one side has a surface."""
    joints: tuple[JointTable, ...] = ()
    around: BodyTable | None = None
    """The label map whose body surrounds the bones."""
    fitted: bool = False
    """Whether that body is deformed to fit around the bones; otherwise bones are seated in it."""
    above_mm: float = 0.0
    """How much of the body above the bones is shown."""
    flesh_mm: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """Range of the thickness of soft tissue around bones (patterns)."""


class BoneSetTable(Table):
    """[[bone_sets]]: the bones of one patient, masked out of a CT."""

    folder: str
    """A folder below the data folder with one NIfTI file for each bone."""
    bones: dict[str, str]
    """Structure by suffix of the file's name."""
    around: LabelMapTable | None = None
    """The label map whose body is deformed to fit around the bones."""


class LabelledCtTable(Table):
    """[[labelled_cts]]: CTs with labels of their own, as `osteon data import` writes them."""

    folder: str
    """A folder below the data folder, `.` for the data folder itself."""
    names: dict[str, str]
    """Structure of each label value; several values of one structure are its fragments."""
    ignore: int | None = None
    """The label value of voxels that nobody labelled."""
    cases: tuple[str, ...] = ()
    """Names of the cases; all if left out."""
    image: str = "images/{case}.nii.gz"
    labels: str = "labels/{case}.nii.gz"


class NegativesTable(Table):
    """[[negatives]]: real CTs, and the classes (as patterns) that none of them shows."""

    absent: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    """NIfTI files, or folders of one DICOM series, below the data folder."""
    unknown_mm: float = 0.0
    """Distance from dense voxels within which other classes may be, such as their marrow."""


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
    label_maps: tuple[BodyTable, ...] = ()
    bone_sets: tuple[BoneSetTable, ...] = ()
    posed_bones: tuple[PosedBonesTable, ...] = ()
    deformed_rows: tuple[DeformedRowTable, ...] = ()
    labelled_cts: tuple[LabelledCtTable, ...] = ()
    negatives: tuple[NegativesTable, ...] = ()
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
    labelled_cts: tuple[LabelledCtTable, ...] = ()
    """Labelled CTs whose patches decide in place of simulated ones."""
