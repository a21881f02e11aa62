"""`osteon models bench`: measures the networks of installed packages on this machine."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from pathlib import Path

from app.run.series_job import networks_of
from app.settings import Settings
from operators.package_files.package_reader import read_package
from operators.packages.packages import NetworkSpec


def bench_packages(files: Sequence[Path], settings: Settings) -> None:
    """Measures the networks of each package and prints a line for each."""
    for path in files:
        bench_package(path, settings)


def bench_package(path: Path, settings: Settings) -> None:
    """Measures the networks of a package, one of those that differ in their weights only."""
    package = read_package(path)
    print(f"{package.name} {package.version}", flush=True)
    kinds = {(spec.architecture, str(spec.arguments), spec.patch): spec for spec in package.networks}
    for spec in kinds.values():
        print(f"  network {spec.name}: {measure_speed(spec, settings)}", flush=True)


def measure_speed(spec: NetworkSpec, settings: Settings) -> str:
    """Measures one network and returns a line of text; the memory is the peak of the process so far."""
    from operators.networks.speed import matrix_gflop_s, patch_gflop, patch_seconds

    networks = networks_of(settings)
    run = networks.get(spec)
    seconds, gflop = patch_seconds(run, spec, time.perf_counter), patch_gflop(spec)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024 / 1000
    networks.rest()
    share = gflop / seconds / matrix_gflop_s(run.precision, networks.device, time.perf_counter)
    patch = "x".join(map(str, spec.patch))
    return (
        f"{run.name} {run.precision}, a patch of {patch} in {seconds:.3f} s, {gflop:.1f} GFLOP: "
        f"{gflop / seconds:.0f} GFLOP/s, {share:.0%} of a matrix product's; peak {peak_mb:.0f} MB"
    )
