"""What package.toml may say of radiographs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from operators.package_files.network_tables import FoldTable
from operators.package_files.tables import Table
from operators.packages.packages import (
    Acceptance,
    NetworkSpec,
)
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from operators.packages.structures import (
    Code,
    Structures,
)


class ProjectionAcceptance(Table):
    """[accepts] of radiographs: the modalities and SOP classes that are read."""

    modalities: tuple[str, ...]
    sop_class_uids: tuple[str, ...]
    body_parts: tuple[str, ...]
    """Terms of BodyPartExamined (PS3.16 annex L), capitals and digits, that name no single one."""

    def acceptance(self, terms: Mapping[str, tuple[str, ...]]) -> Acceptance:
        """The same with the terms of body parts, without limits of slices: a radiograph has none."""
        named = tuple(dict.fromkeys(chain(*terms.values(), self.body_parts)))
        return Acceptance(self.modalities, self.sop_class_uids, named, 1, 0.0, 0.0, 0.0)


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
    body_part_terms: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Terms of BodyPartExamined by the body part that they name; a header with other terms is flagged."""
    views: tuple[str, ...]
    """Those attributes that are views."""
    mirrored: bool = True
    """Whether the means over the four mirror images are taken."""

    def package(self, folder: Path, structures: Structures) -> RadiographPackage:
        """The package that lies in a folder."""
        del structures
        same = ("name", "version", "title", "algorithm_name", "decision", "attributes", "body_parts", "views")
        return RadiographPackage(
            **{key: getattr(self, key) for key in (*same, "body_part_terms", "mirrored")},
            accepts=self.accepts.acceptance(self.body_part_terms),
            labels=(),
            folder=folder,
            folds=tuple(self.network.spec(fold, folder) for fold in self.folds),
        )
