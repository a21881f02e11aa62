"""The image path of a published network as plain calls: its classes are the labels, bones are not split.

The network's output is never held completely: finished rows become labels at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from operators.geometry.volume import CtVolume
from operators.networks.registry import Networks
from operators.networks.windows.label_rows import LabelledScan
from operators.networks.windows.nnunet_stages import run_stages
from operators.nnunet.label_segmentation import segmentation_of_labels
from operators.nnunet.preprocessing import PreprocessedImage
from operators.nnunet.preprocessing import preprocess as prepare_volume
from operators.packages.plans import NnUNetPackage
from operators.process.progress import Progress
from operators.segmentation.segmentation import NetworkRun, Segmentation

Package = TypeVar("Package", bound=NnUNetPackage)


@dataclass(frozen=True, eq=False)
class PreparedScan(Generic[Package]):
    """A source volume, and its form preprocessed for the first stage."""

    source: CtVolume
    prepared: PreprocessedImage
    package: Package


@dataclass(frozen=True, eq=False)
class NetworkAnswer(Generic[Package]):
    """The last stage's output for a scan, and the network runs."""

    source: CtVolume
    found: LabelledScan
    network_runs: tuple[NetworkRun, ...]
    package: Package


def prepare(volume: CtVolume, package: Package) -> PreparedScan[Package]:
    """Preprocesses a scan. Raises UnsuitableError if it is 0 everywhere."""
    return PreparedScan(volume, prepare_volume(volume, package.stages[0]), package)


def run_networks(
    scan: PreparedScan[Package], networks: Networks, progress: Progress
) -> NetworkAnswer[Package]:
    """Runs every stage on the scan, each with the labels of the previous one."""
    package = scan.package
    found, network_runs = run_stages(
        scan.source,
        scan.prepared,
        package.stages,
        networks,
        package.written,
        lambda done: progress("network", done),
    )
    return NetworkAnswer(scan.source, found, network_runs, package)


def to_segmentation(
    answered: NetworkAnswer[NnUNetPackage], networks: Networks, progress: Progress
) -> Segmentation:
    """The segments on the source grid. Raises UnsuitableError if there are none."""
    del networks
    progress("labels", 1.0)
    found, grid = answered.found, answered.source.grid
    return segmentation_of_labels(
        found.labels, found.counts, found.certainties, grid, answered.package, answered.network_runs
    )
