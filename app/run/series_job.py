"""One series through the MONAI Deploy graph, with networks that stay loaded."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from app.run.results import ALWAYS, RESULTS
from app.run.stage_clock import StageClock
from app.settings import SOFTWARE_VERSION, Settings
from operators.dicom.headers.series import Series
from operators.dicom.pixels.image_reader import read_image
from operators.dicom.select.selection import Selection
from operators.geometry.projection import Image
from operators.packages.packages import ModelPackage
from operators.process.memory import keep_large_arrays_apart
from operators.process.monai_import import import_monai_alone
from operators.results.attempts import Attempts
from operators.segmentation.segmentation import Segmentation

if TYPE_CHECKING:
    from operators.networks.registry import Networks

STACK_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Job:
    """One selected series, and what is needed to segment it.

    `wanted` are kinds of results (rows of RESULTS) beside those that are always made; `folder` is that of its
    results below `output`, '' for the output folder itself, where results of further series are numbered.
    `read` gives a series' image; `attempts` takes the results that could not be made.
    """

    number: int
    selection: Selection
    output: Path
    settings: Settings
    made_at: datetime
    revision: int = 1
    wanted: tuple[str, ...] = ()
    folder: str = ""
    read: Callable[[Series], Image] = read_image
    attempts: Attempts = field(default_factory=Attempts)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of results that are made, in the order of the table."""
        return tuple(kind for kind in RESULTS if kind in ALWAYS or kind in self.wanted)

    def name(self, kind: str) -> str:
        """The name of a kind's file or folder below the output folder."""
        row = RESULTS[kind]
        numbered = self.number > 0 and not self.folder
        return f"{self.folder}{row.stem}{f'-{self.number + 1}' if numbered else ''}{row.suffix}"

    def path(self, kind: str) -> Path:
        """Where a kind of result goes."""
        return self.output / self.name(kind)


Graph = Callable[[Job, StageClock], Segmentation]


def graph_of(settings: Settings) -> Graph:
    """The MONAI Deploy graph; its networks are loaded with the first job and kept for the next ones.

    Raises ModelError where there is no GPU and one is asked for.
    """

    @cache
    def networks() -> Networks:
        return networks_of(settings)

    if settings.device == "cuda":
        networks()  # that there is no GPU is said before anything is read
    return lambda job, clock: run_in_graph(job, clock, networks())


def loaded_graph(settings: Settings, packages: tuple[ModelPackage, ...]) -> Graph:
    """Returns the graph with every network of `packages` loaded already. Raises ModelError."""
    networks = networks_of(settings)
    for spec in (spec for package in packages for spec in package.networks):
        networks.get(spec)
    import_graph()  # takes seconds, which the first study need not wait for
    return lambda job, clock: run_in_graph(job, clock, networks)


def networks_of(settings: Settings) -> Networks:
    """No networks yet, and the device that will run them. Raises ModelError where that is not there."""
    allow_deep_stack()
    keep_large_arrays_apart()
    from operators.networks.registry import Networks
    from operators.networks.runtimes import Device

    precision = "" if settings.precision == "auto" else settings.precision
    device = Device(settings.runtime, settings.threads, precision, settings.device)
    device.require()
    return Networks(device, settings.mode)


def import_graph() -> None:
    """`app.graph`, without what MONAI would bring with it."""
    import_monai_alone()
    import_module("app.graph")


def run_in_graph(job: Job, clock: StageClock, networks: Networks) -> Segmentation:
    """The graph for one series, and the preview beside its SEG."""
    os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")
    import_graph()
    from app.graph import run_graph
    from operators.results.result_paths import ResultPaths
    from operators.stage_operator import Work

    (job.output / job.folder).mkdir(parents=True, exist_ok=True)
    paths = ResultPaths(
        {kind: job.path(kind) for kind in job.kinds},
        job.made_at,
        SOFTWARE_VERSION,
        job.revision,
        job.settings.seg.profile,
        job.attempts,
    )
    return run_graph(Work(job.selection, networks, paths, clock, job.read))


def allow_deep_stack() -> None:
    """Holoscan wants a stack of 32 MB, most systems give 8."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < STACK_BYTES and (hard == unlimited or hard >= STACK_BYTES):
        resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, hard))
