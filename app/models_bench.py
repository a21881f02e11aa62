"""`osteon models bench`: what an installed package's networks take on this machine."""

from __future__ import annotations

import resource
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from app.models_command import DONE, package_file, package_files
from app.series_job import networks_of
from app.settings import Settings, read_settings
from operators.imaging.package_file import read_package
from operators.imaging.packages import NetworkSpec

HEADINGS = (
    "network", "runtime", "precision", "patch", "s a patch", "GFLOP", "GFLOP/s", "of matrices", "peak MB",
)


def bench_command(name: str | None, **given: Any) -> int:
    """A table for one package or for each of them."""
    settings = read_settings(**given)
    files = [package_file(settings.models, name)] if name else package_files(settings.models)
    for path in files:
        Console().print(benched(path, settings))
    return DONE


def benched(path: Path, settings: Settings) -> Table:
    """The networks of a package that differ in more than their weights."""
    package = read_package(path)
    table = Table(title=f"{package.name} {package.version}", title_justify="left")
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in HEADINGS[:4] else "right")
    kinds = {(spec.architecture, str(spec.arguments), spec.patch): spec for spec in package.networks}
    for spec in kinds.values():
        table.add_row(*row(spec, settings))
    return table


def row(spec: NetworkSpec, settings: Settings) -> tuple[str, ...]:
    """One network; memory is that of the process so far."""
    from operators.networks.speed import matrix_gflop_s, patch_gflop, patch_seconds

    networks = networks_of(settings)
    run = networks.get(spec)
    seconds, gflop = patch_seconds(run, spec, time.perf_counter), patch_gflop(spec)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1.024 / 1000
    networks.rest()
    share = gflop / seconds / matrix_gflop_s(run.precision, networks.device, time.perf_counter)
    patch = "x".join(map(str, spec.patch))
    return (
        spec.name, run.name, run.precision, patch, f"{seconds:.3f}", f"{gflop:.1f}", f"{gflop / seconds:.0f}",
        f"{share:.0%}", f"{peak_mb:.0f}",
    )
