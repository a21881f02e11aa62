"""`osteon models bench`."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from app.cli.arguments import Config, Models
from app.cli.models.packages import DONE, package_file, require_packages
from app.settings import Settings, read_settings
from operators.package_files.package_reader import read_package
from operators.packages.packages import NetworkSpec


def bench(
    name: str | None = None,
    /,
    *,
    models: Models = None,
    device: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    config: Config = None,
) -> int:
    """Measure the networks of one package or all on this machine: seconds per patch, GFLOP/s, memory.

    Parameters
    ----------
    name
        Name of a package; default: all packages.
    device
        Device for the networks: auto, cpu, cuda.
    runtime
        Inference runtime: auto, openvino, torch.
    precision
        Precision: auto, f32, bf16.
    """
    how = {"device": device, "runtime": runtime, "precision": precision}
    settings = read_settings(config, models=models, **how)
    for path in [package_file(settings.models, name)] if name else require_packages(settings.models):
        bench_package(path, settings)
    return DONE


def bench_package(path: Path, settings: Settings) -> None:
    """Measures the networks of a package, one of those that differ in their weights only."""
    package = read_package(path)
    print(f"{package.name} {package.version}", flush=True)
    kinds = {(spec.architecture, str(spec.arguments), spec.patch): spec for spec in package.networks}
    for spec in kinds.values():
        print(f"  network {spec.name}: {measure_speed(spec, settings)}", flush=True)


def measure_speed(spec: NetworkSpec, settings: Settings) -> str:
    """Measures one network and returns a line of text; the memory is the peak of the process so far."""
    from app.run.series_job import networks_of
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
