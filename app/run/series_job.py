"""Runs the MONAI Deploy graph on one series, with networks that stay loaded."""

from __future__ import annotations

import os
import time
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
from operators.process.memory import allow_deep_stack, keep_large_arrays_apart
from operators.process.monai_import import import_monai_deploy
from operators.results.attempts import Attempts
from operators.segmentation.segmentation import Segmentation

if TYPE_CHECKING:
    from operators.networks.registry import Networks
    from operators.results.result_paths import ResultPaths


@dataclass(frozen=True, eq=False)
class Job:
    """The job of one selected series, with everything that is needed to segment it.

    `wanted` are kinds of results (rows of RESULTS) beside those that are always made; `folder` is that of its
    results below `output`, '' for the output folder itself, where results of further series are numbered.
    `read` reads the image of a series; `attempts` collects the results that could not be made.
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
        """The kinds of results to make, in the order of the table."""
        return tuple(kind for kind in RESULTS if kind in ALWAYS or kind in self.wanted)

    def name(self, kind: str) -> str:
        """Returns the name of a kind's file or folder below the output folder."""
        row = RESULTS[kind]
        numbered = self.number > 0 and not self.folder
        return f"{self.folder}{row.stem}{f'-{self.number + 1}' if numbered else ''}{row.suffix}"

    def path(self, kind: str) -> Path:
        """Returns the path of a kind of result."""
        return self.output / self.name(kind)


Graph = Callable[[Job, StageClock], Segmentation]


def graph_of(settings: Settings) -> Graph:
    """Returns the MONAI Deploy graph; its networks are loaded with the first job and kept for the next ones.

    Raises ModelError if a GPU is requested and there is none.
    """

    @cache
    def networks() -> Networks:
        return networks_of(settings)

    if settings.device == "cuda":
        networks()  # a missing GPU is reported before anything is read
    return lambda job, clock: run_in_graph(job, clock, networks())


def loaded_graph(settings: Settings, packages: tuple[ModelPackage, ...]) -> Graph:
    """Returns the graph with every network of `packages` loaded already. Raises ModelError."""
    networks = networks_of(settings)
    for spec in (spec for package in packages for spec in package.networks):
        networks.get(spec)
    import_graph()  # takes seconds, for which the first study need not wait
    return lambda job, clock: run_in_graph(job, clock, networks)


def networks_of(settings: Settings) -> Networks:
    """Returns an empty set of networks, and their device. Raises ModelError if it is not available."""
    allow_deep_stack()
    keep_large_arrays_apart()
    from operators.networks.registry import Networks
    from operators.networks.runtimes import Device

    precision = "" if settings.precision == "auto" else settings.precision
    device = Device(settings.runtime, settings.threads, precision, settings.device)
    device.require()
    return Networks(device, settings.mode)


def import_graph() -> None:
    """Imports `app.graph` without the modules that MONAI would import."""
    import_monai_deploy()
    import_module("app.graph")


def run_in_graph(job: Job, clock: StageClock, networks: Networks) -> Segmentation:
    """Runs the graph on one series; after an error none of the results that it wrote is left."""
    os.environ.setdefault("HOLOSCAN_LOG_LEVEL", "OFF")
    import_graph()
    from app.graph import run_graph
    from operators.results.attempts import remove_written_since
    from operators.stage_operator import Work

    paths, began = result_paths(job), time.time()
    try:
        return run_graph(Work(job.selection, networks, paths, clock, job.read))
    except Exception:
        remove_written_since(paths.files.values(), began)
        raise


def result_paths(job: Job) -> ResultPaths:
    """The paths of a job's results, whose folder is made."""
    from operators.results.result_paths import ResultPaths

    (job.output / job.folder).mkdir(parents=True, exist_ok=True)
    return ResultPaths(
        {kind: job.path(kind) for kind in job.kinds},
        job.made_at,
        SOFTWARE_VERSION,
        job.revision,
        job.settings.seg.profile,
        job.attempts,
    )
