"""What package.toml may say: a model for each kind of package, told apart by `kind`.

Each model is a table of the file; `package` makes the values that the pipelines read. All are strict: an
unknown key or another type is refused. What one table says of another is checked in `package_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from operators.package_files.label_tables import FoundLabelTable, SplitLabelTable, WrittenLabelTable
from operators.package_files.network_tables import (
    FractureTables,
    NamedNetworkTable,
    StageTables,
    TrainedNetworkTable,
)
from operators.package_files.package_checks import require_step
from operators.package_files.radiograph_tables import RadiographTables
from operators.package_files.tables import Table
from operators.packages.confidence import UNCALIBRATED, Confidence
from operators.packages.monai_bundle import LabelRules, MonaiBundlePackage, SlidingWindow, Step
from operators.packages.packages import (
    MEASURED,
    NAMED,
    Acceptance,
    CoarseToFinePackage,
    FindRules,
    FragmentRules,
    OutlineRules,
    QualityRules,
    SideRules,
)
from operators.packages.plans import (
    NnUNetPackage,
    NnUNetPerBonePackage,
    WeightsOrigin,
)
from operators.packages.structures import (
    Structures,
)


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
    """Measurements of fragments and long bones, besides their size."""
    names: str = NAMED[0]
    """How fragments are named: from_class numbers them, neer_parts names the parts of a long bone's end."""

    def common(self, folder: Path) -> dict[str, Any]:
        """The arguments that every package has."""
        keys = ("name", "version", "title", "algorithm_name", "accepts", "quality", "measurements", "names")
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
