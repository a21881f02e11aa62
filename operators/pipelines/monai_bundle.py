"""The image path of a MONAI bundle as plain calls: its classes are the labels, bones are not split."""

from __future__ import annotations

from operators.geometry.volume import CtVolume
from operators.networks.monai_bundle.bundle_output import run_bundle
from operators.networks.monai_bundle.bundle_steps import PreparedBundleImage
from operators.networks.monai_bundle.bundle_steps import prepare as prepare_volume
from operators.networks.registry import Networks
from operators.packages.monai_bundle import MonaiBundlePackage
from operators.pipelines.network_output import NetworkOutput, PreparedScan
from operators.process.progress import Progress

Prepared = PreparedScan[PreparedBundleImage, MonaiBundlePackage]


def prepare(volume: CtVolume, package: MonaiBundlePackage) -> Prepared:
    """Preprocesses a scan. Raises UnsuitableError if nothing of it is left."""
    return PreparedScan(volume, prepare_volume(volume, package.steps), package)


def run_network(scan: Prepared, networks: Networks, progress: Progress) -> NetworkOutput[MonaiBundlePackage]:
    """Runs the network on the scan."""
    package = scan.package
    run = networks.get(package.network)
    found = run_bundle(run, scan.prepared, package, lambda done: progress("network", done))
    networks.rest()
    network_runs = networks.network_runs([package.network], "exact", min(package.tiling.overlap))
    return NetworkOutput(scan.source, found, network_runs, package)
