"""The output of a network whose classes are the labels, and its segments: whole bones or organs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume, LabelMap
from operators.networks.registry import Networks
from operators.networks.windows.labelled_scan import LabelledScan
from operators.packages.packages import ModelPackage
from operators.process.progress import Progress
from operators.segmentation.segmentation import NetworkRun, Segmentation
from operators.segmentation.segments import segment_of

Package = TypeVar("Package", bound=ModelPackage)
Image = TypeVar("Image")


@dataclass(frozen=True, eq=False)
class PreparedScan(Generic[Image, Package]):
    """A source volume, and its form preprocessed for the first network."""

    source: CtVolume
    prepared: Image
    package: Package


@dataclass(frozen=True, eq=False)
class NetworkOutput(Generic[Package]):
    """The labels that a package's networks found in a scan, and the network runs."""

    source: CtVolume
    found: LabelledScan
    network_runs: tuple[NetworkRun, ...]
    package: Package


def to_segmentation(output: NetworkOutput[Any], networks: Networks, progress: Progress) -> Segmentation:
    """Returns the segments on the source grid. Raises UnsuitableError if no label is present."""
    del networks
    progress("labels", 1.0)
    found, grid, package = output.found, output.source.grid, output.package
    ml = grid.voxel_volume_mm3 / 1000
    segments = tuple(
        segment_of(
            label,
            package.labels,
            value,
            None,
            float(found.counts[value] * ml),
            found.certainties.get(value, 0.0),
        )
        for label in package.labels
        if found.counts[value := label.first_value]
    )
    if not segments:
        raise not_found(package)
    return Segmentation(LabelMap(found.labels, grid), segments, package, network_runs=output.network_runs)


def not_found(package: ModelPackage) -> UnsuitableError:
    """Returns the error for a CT without any of the package's labels."""
    return UnsuitableError(
        f"no {package.title} found: expected at least one of the package's labels in the scan",
        code="anatomy_not_found",
    )
