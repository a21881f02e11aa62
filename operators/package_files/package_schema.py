"""The schema of package.toml: a pydantic model for each kind of package, selected by `kind`.

Each model is a table of the file; `package` builds the values that the pipelines read. All are strict: an
unknown key or another type is refused. Consistency across tables is checked in `package_checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from operators.package_files.coarse_to_fine_checks import require_networks
from operators.package_files.label_tables import FoundLabelTable, SplitLabelTable, WrittenLabelTable
from operators.package_files.network_tables import (
    FractureTables,
    NamedNetworkTable,
    StageTables,
    TrainedNetworkTable,
)
from operators.package_files.package_checks import require_step
from operators.package_files.radiograph_tables import RadiographTables
from operators.package_files.tables import IdentityTables
from operators.packages.coarse_to_fine import (
    BallJoint,
    CoarseToFinePackage,
    FindRules,
    FragmentRules,
    OutlineRules,
    SideRules,
)
from operators.packages.confidence import UNCALIBRATED, Confidence
from operators.packages.iterative import IterativeRules
from operators.packages.levels import LevelRules
from operators.packages.monai_bundle import LabelRules, MonaiBundlePackage, SlidingWindow, Step
from operators.packages.packages import MEASURED, NAMED, Acceptance, QualityRules
from operators.packages.plans import (
    NnUNetFragmentsPackage,
    NnUNetPackage,
    NnUNetPerBonePackage,
    SplittingRules,
    WeightsOrigin,
)
from operators.packages.structures import Structures


class PackageTables(IdentityTables):
    """The common part of every package.toml that reads volumes."""

    accepts: Acceptance
    quality: QualityRules = QualityRules()
    measurements: tuple[str, ...] = MEASURED
    """Measurements of fragments and long bones, besides their size."""
    names: str = NAMED[0]
    """How bones and fragments are named: from_class numbers fragments, neer_parts names the parts of a long
    bone's end, vertebral_levels the bones of a row.
    """
    levels: LevelRules | None = None
    """The levels of a row of bones, for vertebral_levels."""


class CoarseToFineTables(PackageTables):
    """Coarse-to-fine: a coarse network finds the bones, a fine one outlines them, a third splits each."""

    kind: Literal["coarse_to_fine"]
    networks: dict[Literal["coarse", "fine", "fracture", "instance", "level"], TrainedNetworkTable]
    """Coarse, fine and fracture; for bones in a row `instance`, which outlines one by one, and `level`."""
    iterative: IterativeRules | None = None
    """When a bone of a row counts as found, for labels with instances = "iterative"."""
    labels: tuple[FoundLabelTable, ...]
    fragments: FragmentRules
    sides: SideRules = SideRules()
    find: FindRules = FindRules()
    ball_joints: tuple[BallJoint, ...] = ()
    confidence: Confidence = UNCALIBRATED
    outline: OutlineRules | None = None

    def package(self, folder: Path, structures: Structures) -> CoarseToFinePackage:
        """Returns the package of a folder."""
        require_networks(self.networks)
        networks: dict[str, Any] = {name: row.spec(name, row, folder) for name, row in self.networks.items()}
        return self.make(CoarseToFinePackage, folder, structures, **networks)


class NnUNetTables(PackageTables, StageTables):
    """An nnU-Net whose classes are the labels."""

    kind: Literal["nnunet"]
    origin: WeightsOrigin
    labels: tuple[WrittenLabelTable, ...] = Field(min_length=1)

    def package(self, folder: Path, structures: Structures) -> NnUNetPackage:
        """Returns the package of a folder."""
        return self.make(NnUNetPackage, folder, structures, stages=self.stages(folder))


class NnUNetPerBoneTables(PackageTables, StageTables):
    """An nnU-Net of an anatomy, whose bones a second one in [fracture] splits one by one."""

    kind: Literal["nnunet_per_bone"]
    origin: WeightsOrigin
    fracture: FractureTables
    labels: tuple[SplitLabelTable, ...] = Field(min_length=1)

    def package(self, folder: Path, structures: Structures) -> NnUNetPerBonePackage:
        """Returns the package of a folder."""
        fracture = self.fracture
        return self.make(
            NnUNetPerBonePackage,
            folder,
            structures,
            stages=self.stages(folder),
            bones=tuple(row.value for row in self.labels),
            fracture=fracture.stages(folder),
            splitting=SplittingRules(fracture.blank_hu, fracture.pieces, fracture.minimum_mm3),
        )


class NnUNetFragmentsTables(PackageTables, StageTables):
    """An nnU-Net of an anatomy, whose bones a fracture network of Osteon's own splits one by one."""

    kind: Literal["nnunet_fragments"]
    origin: WeightsOrigin
    networks: dict[Literal["fracture"], TrainedNetworkTable] = Field(min_length=1)
    """The fracture network, which packages share."""
    fragments: FragmentRules
    confidence: Confidence = UNCALIBRATED
    labels: tuple[SplitLabelTable, ...] = Field(min_length=1)

    def package(self, folder: Path, structures: Structures) -> NnUNetFragmentsPackage:
        """Returns the package of a folder."""
        return self.make(
            NnUNetFragmentsPackage,
            folder,
            structures,
            stages=self.stages(folder),
            bones=tuple(row.value for row in self.labels),
            fracture=self.networks["fracture"].spec("fracture", self.networks["fracture"], folder),
        )


class MonaiBundleTables(PackageTables):
    """A MONAI bundle whose classes are the labels."""

    kind: Literal["monai_bundle"]
    origin: WeightsOrigin
    network: NamedNetworkTable
    steps: tuple[dict[str, Any], ...]
    """Preprocessing of the image: `name` is a row of the table of steps, the rest its arguments."""
    tiling: SlidingWindow
    outcome: LabelRules
    labels: tuple[WrittenLabelTable, ...] = Field(min_length=1)

    def package(self, folder: Path, structures: Structures) -> MonaiBundlePackage:
        """Returns the package of a folder. Raises ValueError for an unknown step."""
        return self.make(
            MonaiBundlePackage,
            folder,
            structures,
            network=self.network.spec(self.network.name, self.network, folder),
            steps=tuple(map(step_of, self.steps)),
        )


def step_of(row: Mapping[str, Any]) -> Step:
    """Reads one [[steps]] table. Raises ValueError for an unknown step or argument."""
    arguments = {
        key: tuple(value) if isinstance(value, list) else value for key, value in row.items() if key != "name"
    }
    step = Step(str(row.get("name", "")), arguments)
    require_step(step)
    return step


PackageFile = (
    CoarseToFineTables
    | NnUNetTables
    | NnUNetPerBoneTables
    | NnUNetFragmentsTables
    | MonaiBundleTables
    | RadiographTables
)
PACKAGE_FILE_MODEL: TypeAdapter[PackageFile] = TypeAdapter(
    Annotated[PackageFile, Field(discriminator="kind")]
)
# The table that implies the kind in files of former versions, which have no `kind`
FORMER_KINDS = {"steps": "monai_bundle", "fracture": "nnunet_per_bone", "network": "nnunet"}


def with_kind(table: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a parsed package.toml with its kind, which in former versions follows from its tables."""
    if "kind" in table:
        return dict(table)
    kind = next((kind for key, kind in FORMER_KINDS.items() if key in table), "coarse_to_fine")
    return {**table, "kind": kind}
