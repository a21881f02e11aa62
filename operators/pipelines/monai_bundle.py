"""The image path of a MONAI bundle as plain calls: its classes are the labels, bones are not split."""

from __future__ import annotations

from dataclasses import dataclass

from operators.geometry.volume import CtVolume
from operators.networks.monai_bundle.bundle_answer import BundleAnswer
from operators.networks.monai_bundle.bundle_answer import run_bundle as network_answer
from operators.networks.monai_bundle.bundle_steps import PreparedBundleImage
from operators.networks.monai_bundle.bundle_steps import prepare as prepare_volume
from operators.networks.registry import Networks
from operators.nnunet.label_segmentation import segmentation_of_labels
from operators.packages.monai_bundle import MonaiBundlePackage
from operators.process.progress import Progress
from operators.segmentation.segmentation import NetworkRun, Segmentation


@dataclass(frozen=True, eq=False)
class PreparedBundleScan:
    """A source volume, and its preprocessed form."""

    source: CtVolume
    prepared: PreparedBundleImage
    package: MonaiBundlePackage


@dataclass(frozen=True, eq=False)
class NetworkAnswer:
    """The network's output for a scan, on its own voxels, and its network run."""

    source: CtVolume
    found: BundleAnswer
    network_runs: tuple[NetworkRun, ...]
    package: MonaiBundlePackage


def prepare(volume: CtVolume, package: MonaiBundlePackage) -> PreparedBundleScan:
    """Preprocesses a scan. Raises UnsuitableError if nothing of it is left."""
    return PreparedBundleScan(volume, prepare_volume(volume, package.steps), package)


def run_network(scan: PreparedBundleScan, networks: Networks, progress: Progress) -> NetworkAnswer:
    """Runs the network on the scan."""
    package = scan.package
    run = networks.get(package.network)
    found = network_answer(run, scan.prepared, package, lambda done: progress("network", done))
    networks.rest()
    network_runs = networks.network_runs([package.network], "exact", min(package.tiling.overlap))
    return NetworkAnswer(scan.source, found, network_runs, package)


def to_segmentation(answered: NetworkAnswer, networks: Networks, progress: Progress) -> Segmentation:
    """The labels on the source grid. Raises UnsuitableError if there are none."""
    del networks
    progress("labels", 1.0)
    found, grid = answered.found, answered.source.grid
    return segmentation_of_labels(
        found.labels, found.counts, found.certainties, grid, answered.package, answered.network_runs
    )
