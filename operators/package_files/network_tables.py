"""Networks of a package.toml: their specification, their weights, and the stages of an nnU-Net."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pydantic import Field

from operators.geometry.components import Largest
from operators.package_files.package_checks import guide_values
from operators.package_files.tables import ArchitectureTable, FoldTable, Table, WeightsTable
from operators.packages.packages import NetworkSpec, Normalisation
from operators.packages.plans import NnUNetPlans, Stage


class NetworkTable(ArchitectureTable):
    """[network] of volumes: what all folds have in common."""

    spacing_mm: tuple[float, ...]
    """Voxel spacing of the network's input, mm along each axis."""
    patch: tuple[int, ...]
    """Size of the sliding window in voxels."""
    window_hu: tuple[float, float]
    """Range to which Hounsfield units are clipped."""
    classes: tuple[str, ...]
    """One name for each output channel."""
    guide: tuple[str, ...] = ()
    """Conditioning channels: classes of the previous network, read beside the image."""
    normalisation: Normalisation = Normalisation()

    def spec(self, name: str, row: WeightsTable, folder: Path) -> NetworkSpec:
        """Returns the named network with the weights of one fold."""
        values = {key: getattr(self, key) for key in NetworkTable.model_fields}
        return NetworkSpec(name=name, weights=folder / row.weights, sha256=row.sha256, **values)


class TrainedNetworkTable(NetworkTable, WeightsTable):
    """[networks.NAME]: one network and its weights."""


class NamedNetworkTable(NetworkTable, FoldTable):
    """[network] of a MONAI bundle."""


class StageTables(Table):
    """An nnU-Net: [network], [[folds]], [recipe], [[largest]], and its earlier stage in [previous]."""

    network: NetworkTable
    folds: tuple[FoldTable, ...] = Field(min_length=1)
    """The trained folds; their outputs are averaged."""
    recipe: NnUNetPlans
    largest: tuple[Largest, ...] = ()
    """Post-processing: values of which only the largest component is kept."""
    previous: StageTables | None = None

    def stages(self, folder: Path) -> tuple[Stage, ...]:
        """Returns the stages in the order in which they run. Raises ValueError if they do not fit together.

        A stage whose labels another reads runs with torch: one different label changes many of the next.
        """
        before = self.previous.stages(folder) if self.previous else ()
        exact = [
            replace(stage, folds=tuple(replace(spec, runtime="torch") for spec in stage.folds))
            for stage in before
        ]
        folds = tuple(self.network.spec(row.name, row, folder) for row in self.folds)
        stage = Stage(folds, self.recipe, largest=self.largest)
        return *exact, replace(stage, guide_values=guide_values(stage, before[-1] if before else None))


class FractureTables(StageTables):
    """[fracture]: the network that splits another network's bones, and how a bone is cut out for it."""

    blank_hu: float = 0.0
    """Hounsfield units given to everything outside the bone."""
    pieces: tuple[str, ...] = ()
    """Classes of which each component is a fragment."""
    minimum_mm3: float = 0.0
    """Fragments smaller than this are merged into the nearest one."""
