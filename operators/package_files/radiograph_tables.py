"""The schema of package.toml for radiographs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Literal

from pydantic import Field

from operators.package_files.tables import ArchitectureTable, FoldTable, IdentityTables, Table
from operators.packages.packages import Acceptance, NetworkSpec
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from operators.packages.structures import Code, Structures


class ProjectionAcceptance(Table):
    """[accepts] for radiographs: the modalities and SOP classes that are read."""

    modalities: tuple[str, ...]
    sop_class_uids: tuple[str, ...]
    body_parts: tuple[str, ...]
    """Terms of BodyPartExamined (PS3.16 annex L), capital letters and digits, that name no single one."""

    def acceptance(self, terms: Mapping[str, tuple[str, ...]]) -> Acceptance:
        """Returns the acceptance with the terms of body parts and without limits of slices."""
        named = tuple(dict.fromkeys(chain(*terms.values(), self.body_parts)))
        return Acceptance(self.modalities, self.sop_class_uids, named, 1, 0.0, 0.0, 0.0)


class CanvasNetworkTable(ArchitectureTable):
    """[network] for radiographs: the common specification of all folds."""

    canvas: tuple[int, int]
    """Rows and columns of the canvas that the network reads, upright."""
    precision: str = "f32"
    """bf16 loses most of the local contrast that the network computes from differences of large numbers."""

    def spec(self, fold: FoldTable, folder: Path) -> NetworkSpec:
        """Returns the network with the weights of one fold; its spacing is in pixels of the canvas."""
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


class RadiographTables(IdentityTables):
    """Radiographs: networks that segment fractures and classify the image."""

    kind: Literal["radiograph"]
    accepts: ProjectionAcceptance
    network: CanvasNetworkTable
    folds: tuple[FoldTable, ...] = Field(min_length=1)
    """The trained folds; their outputs are averaged."""
    decision: RadiographDecision
    attributes: tuple[str, ...]
    """What the networks recognise, in the order of their outputs."""
    body_parts: dict[str, Code]
    """The attributes that are body parts, with the code of each."""
    body_part_terms: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Terms of BodyPartExamined by the body part that they name; a header with other terms is flagged."""
    other_body_part_terms: tuple[str, ...] = ()
    """Terms of other body parts: a header that names one, even within a word or a description, is flagged."""
    either_way_up: tuple[str, ...] = ()
    """Body parts that are shown with the head's end at the top or at the bottom, and from either side."""
    views: tuple[str, ...]
    """The attributes that are views."""
    mirrored: bool = True
    """Whether outputs are averaged over the four mirror images."""

    def package(self, folder: Path, structures: Structures) -> RadiographPackage:
        """Returns the package of a folder."""
        folds = tuple(self.network.spec(fold, folder) for fold in self.folds)
        accepts = self.accepts.acceptance(self.body_part_terms)
        return self.make(RadiographPackage, folder, structures, accepts=accepts, folds=folds)
