"""The image path of a MONAI bundle as plain calls: its classes are the labels, nothing is split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from operators.geometry.volume import Volume
from operators.networks.monai_bundle.bundle_answer import Answer
from operators.networks.monai_bundle.bundle_answer import answer as network_answer
from operators.networks.monai_bundle.bundle_steps import Prepared
from operators.networks.monai_bundle.bundle_steps import prepare as prepare_volume
from operators.networks.registry import Networks
from operators.nnunet.label_segmentation import delivery
from operators.packages.monai_bundle import MonaiBundlePackage
from operators.segmentation.segmentation import Segmentation, Way

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """A source volume, and the same as the network reads it."""

    source: Volume
    prepared: Prepared
    package: MonaiBundlePackage


@dataclass(frozen=True, eq=False)
class Answered:
    """The network's answer to a scan, on its own voxels, and how it was run."""

    source: Volume
    found: Answer
    ways: tuple[Way, ...]
    package: MonaiBundlePackage


def prepare(volume: Volume, package: MonaiBundlePackage) -> PreparedScan:
    """Raises UnsuitableError for a scan of which nothing is left."""
    return PreparedScan(volume, prepare_volume(volume, package.steps), package)


def answer(scan: PreparedScan, networks: Networks, progress: Progress) -> Answered:
    """The network over the scan."""
    package = scan.package
    run = networks.get(package.network)
    found = network_answer(run, scan.prepared, package, lambda done: progress("network", done))
    networks.rest()
    ways = networks.ways([package.network], "exact", min(package.tiling.overlap))
    return Answered(scan.source, found, ways, package)


def deliver(answered: Answered, networks: Networks, progress: Progress) -> Segmentation:
    """The labels on the source grid. Raises UnsuitableError where there are none."""
    del networks
    progress("labels", 1.0)
    found, grid = answered.found, answered.source.grid
    return delivery(found.labels, found.counts, found.certainties, grid, answered.package, answered.ways)
