"""What package.toml may say: a model for each kind of package, told apart by `kind`.

Each model is a table of the file; `package` makes the values that the pipelines read. All are strict: an
unknown key or another type is refused. What one table says of another is checked in `package_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from operators.geometry.largest_component import Largest
from operators.package_files.package_checks import guide_values, require_step
from operators.packages.confidence import UNCALIBRATED, Confidence
from operators.packages.monai_bundle import LabelRules, MonaiBundlePackage, SlidingWindow, Step
from operators.packages.packages import (
    MEASURED,
    Acceptance,
    CoarseToFinePackage,
    Detection,
    FindRules,
    FragmentRules,
    Label,
    NetworkSpec,
    Normalisation,
    OutlineRules,
    QualityRules,
    SideRules,
)
from operators.packages.plans import (
    Arrangement,
    NnUNetPackage,
    NnUNetPerBonePackage,
    NnUNetPlans,
    Stage,
    WeightsOrigin,
)
from operators.packages.radiograph import BALANCED, RadiographDecision, RadiographPackage
from operators.packages.structures import (
    ANATOMY,
    Code,
    Colour,
    Side,
    Structure,
    Structures,
    pale_colour,
    structure_named,
)


class Table(BaseModel):
    """A table of package.toml."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, use_attribute_docstrings=True)


class LabelTable(Table):
    """[[labels]]: a structure that is delivered, of structures.toml or with a code of its own."""

    name: str = ""
    """Its name in results; that of the structure with its side where it is left out."""
    structure: str = ""
    """A structure that structures.toml names."""
    side: Side | None = None
    """left or right, of a paired structure."""
    meaning: str = ""
    """Display name of a label without `structure`; the next five keys describe such a label too."""
    category: Code = ANATOMY
    """PS3.16 CID 7150."""
    type: Code | None = None
    """The structure's code (SNOMED CT)."""
    laterality: Code | None = None
    """PS3.16 CID 244."""
    rgb: Colour | None = None
    """Its colour, 0 to 255."""
    plausible_ml: tuple[float, ...] = ()
    """Least and greatest volume that it can have as a whole."""
    plausible_mm: tuple[float, ...] = ()
    """Least and greatest diameter that it can have as a whole."""

    def identity(self, structures: Structures) -> Structure:
        """The structure. Raises ValueError where it is neither known nor described."""
        if self.structure:
            known = structure_named(structures, self.structure, self.side)
            return replace(
                known,
                name=self.name or known.name,
                rgb=self.rgb or known.rgb,
                plausible_ml=self.plausible_ml or known.plausible_ml,
                plausible_mm=self.plausible_mm or known.plausible_mm,
            )
        if not (self.name and self.meaning and self.type):
            raise ValueError(f"labels.{self.name or '?'}: expected a structure, or a name, meaning and type")
        return Structure(
            self.name,
            self.meaning,
            self.category,
            self.type,
            self.laterality,
            self.rgb or pale_colour(self.name),
            self.plausible_ml,
            self.plausible_mm,
        )


class FoundLabelTable(LabelTable):
    """[[labels]] of the coarse-to-fine pipeline."""

    first_value: int
    """The label value of the intact bone, or of its first fragment."""
    last_value: int
    """The label value of its last fragment."""
    coarse_class: str
    """The class of the coarse network that shows it."""
    fine_class: str
    """The class of the fine network that outlines it."""
    minimum_ml: float
    """Least volume; a structure with less counts as not found."""

    def label(self, structures: Structures) -> Label:
        """The label; a structure with a side is found by its side."""
        structure = self.identity(structures)
        instances = "by_class" if structure.laterality is None else "by_side"
        detection = Detection(self.coarse_class, self.fine_class, self.minimum_ml, instances)
        return Label(structure, self.first_value, self.last_value, detection)


class WrittenLabelTable(LabelTable):
    """[[labels]] of a network whose classes are the labels."""

    value: int
    """The value that the network writes."""

    def label(self, structures: Structures) -> Label:
        """The label under the same value."""
        return Label(self.identity(structures), self.value, self.value)


class SplitLabelTable(WrittenLabelTable):
    """[[labels]] of an anatomy network whose bones a second network splits."""

    fragments: tuple[int, int]
    """First and last label value of its fragments; equal ones leave it whole."""

    def label(self, structures: Structures) -> Label:
        """The label under the values of its fragments."""
        first, last = self.fragments
        return Label(self.identity(structures), first, last)


class NetworkTable(Table):
    """[network]: what all folds have in common."""

    architecture: str
    """A row of the table of architectures."""
    arguments: dict[str, Any]
    """Arguments of the architecture."""
    spacing_mm: tuple[float, ...]
    """Voxel spacing of the network's input, mm along each axis."""
    patch: tuple[int, ...]
    """Voxels of the window that slides over the scan."""
    window_hu: tuple[float, float]
    """Range to which Hounsfield units are clipped."""
    classes: tuple[str, ...]
    """One name for each output channel."""
    guide: tuple[str, ...] = ()
    """Conditioning channels: classes of the network before, read beside the image."""
    normalisation: Normalisation = Normalisation()
    precision: str = ""
    """f32 where the labels must equal the original's; empty leaves it to the runtime."""
    runtime: str = ""
    """Runtime that must be used on a CPU; empty leaves it to the settings."""

    def spec(self, name: str, weights: str, sha256: str, folder: Path) -> NetworkSpec:
        """The network under a name, with the weights of one fold."""
        values = {key: getattr(self, key) for key in NetworkTable.model_fields}
        return NetworkSpec(name=name, weights=folder / weights, sha256=sha256, **values)


class TrainedNetworkTable(NetworkTable):
    """[networks.NAME]: one network and its weights."""

    weights: str
    """A safetensors file, relative to the package's folder."""
    sha256: str
    """SHA-256 of the weights file."""


class NamedNetworkTable(TrainedNetworkTable):
    """[network] of a MONAI bundle."""

    name: str


class FoldTable(Table):
    """[[folds]]: the weights of one fold."""

    name: str
    weights: str
    """A safetensors file, relative to the package's folder."""
    sha256: str
    """SHA-256 of the weights file."""


class StageTables(Table):
    """An nnU-Net: [network], [[folds]], [recipe], [[largest]], and the one before it in [previous]."""

    network: NetworkTable
    folds: tuple[FoldTable, ...] = Field(min_length=1)
    """The trained folds; their outputs are averaged."""
    recipe: NnUNetPlans
    largest: tuple[Largest, ...] = ()
    """Post-processing: values of which only the largest component is kept."""
    previous: StageTables | None = None

    def stages(self, folder: Path) -> tuple[Stage, ...]:
        """The stages in the order in which they run. Raises ValueError where one does not fit.

        One whose labels another reads has torch's sums: one label that differs changes many of the next.
        """
        before = self.previous.stages(folder) if self.previous else ()
        exact = [
            replace(stage, folds=tuple(replace(spec, runtime="torch") for spec in stage.folds))
            for stage in before
        ]
        folds = tuple(self.network.spec(row.name, row.weights, row.sha256, folder) for row in self.folds)
        stage = Stage(folds, self.recipe, largest=self.largest)
        return *exact, replace(stage, guide_values=guide_values(stage, before[-1] if before else None))


class FractureTables(StageTables):
    """[fracture]: the network that splits the bones of another, and how a bone is cut out for it."""

    blank_hu: float = 0.0
    """Hounsfield units given to everything outside the bone."""
    pieces: tuple[str, ...] = ()
    """Classes of which each component is a fragment."""
    minimum_mm3: float = 0.0
    """Fragments smaller than this are merged into the nearest one."""

    def arrangement(self) -> Arrangement:
        """How a bone is cut out, and what the answer means."""
        return Arrangement(self.blank_hu, self.pieces, self.minimum_mm3)


class PackageTables(Table):
    """The common part of every package.toml."""

    name: str
    """The package's name, as --package takes it; also the name of its folder."""
    version: str
    title: str
    """What the package shows, in plain words."""
    algorithm_name: str
    """Algorithm name that DICOM results state."""
    accepts: Acceptance
    quality: QualityRules = QualityRules()
    measurements: tuple[str, ...] = MEASURED
    """Measurements of fragments, besides their size."""

    def common(self, folder: Path) -> dict[str, Any]:
        """The arguments that every package has."""
        keys = ("name", "version", "title", "algorithm_name", "accepts", "quality", "measurements")
        return {"folder": folder, **{key: getattr(self, key) for key in keys}}


class CoarseToFineTables(PackageTables):
    """Osteon's own: a coarse network finds bones, a fine one outlines them, a third splits each."""

    kind: Literal["coarse_to_fine"]
    networks: dict[Literal["coarse", "fine", "fracture"], TrainedNetworkTable] = Field(min_length=3)
    labels: tuple[FoundLabelTable, ...]
    fragments: FragmentRules
    sides: SideRules = SideRules()
    find: FindRules = FindRules()
    confidence: Confidence = UNCALIBRATED
    outline: OutlineRules | None = None

    def package(self, folder: Path, structures: Structures) -> CoarseToFinePackage:
        """The package that lies in a folder."""
        networks: dict[str, Any] = {
            name: row.spec(name, row.weights, row.sha256, folder) for name, row in self.networks.items()
        }
        return CoarseToFinePackage(
            **self.common(folder),
            labels=tuple(row.label(structures) for row in self.labels),
            **networks,
            fragments=self.fragments,
            sides=self.sides,
            find=self.find,
            confidence=self.confidence,
            outline=self.outline,
        )


class NnUNetTables(PackageTables, StageTables):
    """An nnU-Net whose classes are the labels."""

    kind: Literal["nnunet"]
    origin: WeightsOrigin
    labels: tuple[WrittenLabelTable, ...] = Field(min_length=1)

    def package(self, folder: Path, structures: Structures) -> NnUNetPackage:
        """The package that lies in a folder."""
        labels = tuple(row.label(structures) for row in self.labels)
        return NnUNetPackage(
            **self.common(folder), labels=labels, stages=self.stages(folder), origin=self.origin
        )


class NnUNetPerBoneTables(PackageTables, StageTables):
    """An nnU-Net of anatomy, whose bones a second one in [fracture] splits one by one."""

    kind: Literal["nnunet_per_bone"]
    origin: WeightsOrigin
    fracture: FractureTables
    labels: tuple[SplitLabelTable, ...] = Field(min_length=1)

    def package(self, folder: Path, structures: Structures) -> NnUNetPerBonePackage:
        """The package that lies in a folder."""
        return NnUNetPerBonePackage(
            **self.common(folder),
            labels=tuple(row.label(structures) for row in self.labels),
            stages=self.stages(folder),
            origin=self.origin,
            bones=tuple(row.value for row in self.labels),
            fracture=self.fracture.stages(folder),
            arrangement=self.fracture.arrangement(),
        )


class OutcomeTable(Table):
    """[outcome] of a MONAI bundle."""

    activation: Literal["softmax", "sigmoid", "none"] = "softmax"
    decided_first: bool = False
    """Labels are made before they go back to the scan's voxels."""
    nearest: bool = False
    """Outputs go back to the nearest voxel, not linearly."""
    decision: Literal["greatest", "threshold"] = "greatest"
    threshold: float = 0.5
    largest: tuple[int, ...] = ()
    """Labels of which only the largest component stays."""
    connected: Literal[1, 2, 3] = 3
    """Connectivity of components: 1 over faces, 2 also over edges, 3 also over corners."""
    values: tuple[int, ...]
    """The label value that each output writes."""


class MonaiBundleTables(PackageTables):
    """A MONAI bundle whose classes are the labels."""

    kind: Literal["monai_bundle"]
    origin: WeightsOrigin
    network: NamedNetworkTable
    steps: tuple[dict[str, Any], ...]
    """Preparation of the image: `name` is a row of the table of steps, the rest its arguments."""
    tiling: SlidingWindow
    outcome: OutcomeTable
    labels: tuple[WrittenLabelTable, ...] = Field(min_length=1)

    def package(self, folder: Path, structures: Structures) -> MonaiBundlePackage:
        """The package that lies in a folder. Raises ValueError for a step that there is not."""
        rules = self.outcome.model_dump(exclude={"values"})
        network = self.network
        return MonaiBundlePackage(
            **self.common(folder),
            labels=tuple(row.label(structures) for row in self.labels),
            network=network.spec(network.name, network.weights, network.sha256, folder),
            steps=tuple(map(step_of, self.steps)),
            tiling=self.tiling,
            outcome=LabelRules(**rules),
            outputs=self.outcome.values,
            origin=self.origin,
        )


class ProjectionAcceptance(Table):
    """[accepts] of radiographs: the modalities and SOP classes that are read."""

    modalities: tuple[str, ...]
    sop_class_uids: tuple[str, ...]
    body_parts: tuple[str, ...]
    """Terms of BodyPartExamined (PS3.16 annex L), capitals and digits; others are flagged, not refused."""

    def acceptance(self) -> Acceptance:
        """The same without limits of slices, which a radiograph does not have."""
        return Acceptance(self.modalities, self.sop_class_uids, self.body_parts, 1, 0.0, 0.0, 0.0)


class CanvasNetworkTable(Table):
    """[network] of radiographs: what all folds have in common."""

    architecture: str
    """A row of the table of architectures."""
    arguments: dict[str, Any]
    """Arguments of the architecture."""
    canvas: tuple[int, int]
    """Rows and columns of the canvas that the network reads, upright."""
    precision: str = ""
    """f32 where the answer must equal the original's; empty leaves it to the runtime."""
    runtime: str = ""
    """Runtime that must be used on a CPU; empty leaves it to the settings."""

    def spec(self, fold: FoldTable, folder: Path) -> NetworkSpec:
        """The network with the weights of one fold; its lengths are pixels of the canvas."""
        return NetworkSpec(
            name=fold.name,
            architecture=self.architecture,
            arguments=self.arguments,
            weights=folder / fold.weights,
            sha256=fold.sha256,
            spacing_mm=(1.0, 1.0),
            patch=self.canvas,
            window_hu=(0.0, 1.0),
            classes=("fracture",),
            precision=self.precision,
            runtime=self.runtime,
        )


class RadiographTables(Table):
    """Radiographs: networks that outline fractures and say whether there is one."""

    kind: Literal["radiograph"]
    name: str
    """The package's name, as --package takes it; also the name of its folder."""
    version: str
    title: str
    """What the package shows, in plain words."""
    algorithm_name: str
    """Algorithm name that DICOM results state."""
    accepts: ProjectionAcceptance
    network: CanvasNetworkTable
    folds: tuple[FoldTable, ...] = Field(min_length=1)
    """The trained folds; their outputs are averaged."""
    decision: RadiographDecision
    attributes: tuple[str, ...]
    """What the networks recognise, in the order of their outputs."""
    body_parts: dict[str, Code]
    """Those attributes that are body parts, and the code of each."""
    views: tuple[str, ...]
    """Those attributes that are views."""
    mirrored: bool = True
    """Whether the means over the four mirror images are taken."""
    operating_point: str = BALANCED
    """A key of decision.operating_points, or a number as text, where the settings name none."""

    def package(self, folder: Path, structures: Structures) -> RadiographPackage:
        """The package that lies in a folder."""
        del structures
        same = ("name", "version", "title", "algorithm_name", "decision", "attributes", "body_parts", "views")
        return RadiographPackage(
            **{key: getattr(self, key) for key in (*same, "mirrored", "operating_point")},
            accepts=self.accepts.acceptance(),
            labels=(),
            folder=folder,
            folds=tuple(self.network.spec(fold, folder) for fold in self.folds),
        )


def step_of(row: Mapping[str, Any]) -> Step:
    """One [[steps]] table. Raises ValueError for a step or an argument that there is not."""
    arguments = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key != "name"
    }
    step = Step(str(row.get("name", "")), arguments)
    require_step(step)
    return step


PackageFile = CoarseToFineTables | NnUNetTables | NnUNetPerBoneTables | MonaiBundleTables | RadiographTables
PACKAGE_FILE_MODEL: TypeAdapter[PackageFile] = TypeAdapter(
    Annotated[PackageFile, Field(discriminator="kind")]
)
# Which table told the kind before a package said it: those files are read as ever
FORMER_KINDS = {"steps": "monai_bundle", "fracture": "nnunet_per_bone", "network": "nnunet"}


def with_kind(table: Mapping[str, Any]) -> dict[str, Any]:
    """A parsed package.toml with its kind, which packages of former versions leave to their tables."""
    if "kind" in table:
        return dict(table)
    kind = next((kind for key, kind in FORMER_KINDS.items() if key in table), "coarse_to_fine")
    return {**table, "kind": kind}
