"""The image path of a published network as plain calls: its classes are the labels, bones are not split.

The network's output is never held completely: finished rows become labels at once.
"""

from __future__ import annotations

from typing import TypeVar

from operators.geometry.volume import CtVolume
from operators.networks.registry import Networks
from operators.networks.windows.nnunet_stages import run_stages
from operators.nnunet.preprocessing import PreprocessedImage
from operators.nnunet.preprocessing import preprocess as prepare_volume
from operators.packages.plans import NnUNetPackage
from operators.pipelines.network_output import NetworkOutput, PreparedScan
from operators.process.progress import Progress

Package = TypeVar("Package", bound=NnUNetPackage)


def prepare(volume: CtVolume, package: Package) -> PreparedScan[PreprocessedImage, Package]:
    """Preprocesses a scan. Raises UnsuitableError if it is 0 everywhere."""
    return PreparedScan(volume, prepare_volume(volume, package.stages[0]), package)


def run_networks(
    scan: PreparedScan[PreprocessedImage, Package], networks: Networks, progress: Progress
) -> NetworkOutput[Package]:
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
    return NetworkOutput(scan.source, found, network_runs, package)
