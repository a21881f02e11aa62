"""Runs one radiograph several times in one process with its networks loaded, as a node does.

    python -m benchmarks.networks.radiograph_run FOLDER OUT --models MODELS [--runs 6] [--threads 2]

Each run writes every result of `osteon run` to a folder of its own below OUT. Prints a list as JSON: seconds,
processor seconds and peak memory of each run, and the seconds of its stages.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.packages_in_use import packages_in_use
from app.run.folder import run_folder
from app.run.record import StageRecord
from app.run.series_job import Graph, loaded_graph
from app.run.stage_clock import silent
from app.settings import Settings, read_settings
from benchmarks.process_usage import peak_mb
from training.command_line import run


@dataclass(frozen=True)
class Inputs:
    """What is run, and how."""

    folder: Path
    settings: Settings
    graph: Graph


def main(folder: Path, out: Path, /, *, models: Path, runs: int = 6, threads: int = 2) -> None:
    """Prints the cost of each run."""
    settings = read_settings(None, models=models, threads=threads, device="cpu")
    inputs = Inputs(folder, settings, loaded_graph(settings, packages_in_use(settings)))
    print(json.dumps([run_once(inputs, out / str(n)) for n in range(runs)]))


def run_once(inputs: Inputs, out: Path) -> dict[str, Any]:
    """Returns the cost of one run; exits where it has no result."""
    began, before_s = time.monotonic(), time.process_time()
    done = run_folder(inputs.folder, out, inputs.settings, None, datetime.now(UTC), silent, inputs.graph)
    seconds, processor_s = time.monotonic() - began, time.process_time() - before_s
    if done.exit_code != 0:
        sys.exit(f"the run ended with {done.exit_code}: {[record.sentence for record in done.series]}")
    return {
        "seconds": seconds,
        "processor_s": processor_s,
        "peak_mb": peak_mb(),
        "stages": grouped(seconds, done.series[0].stages),
    }


def grouped(seconds: float, stages: tuple[StageRecord, ...]) -> dict[str, float]:
    """Returns the seconds of reading, of the networks with their resampling, and of all the rest."""
    own = {stage.name: stage.seconds for stage in stages}
    read, network = own["read"], own["resample"] + own["anatomy"] + own["fractures"]
    return {"read": read, "network": network, "write": seconds - read - network}


if __name__ == "__main__":
    run(main, __doc__)
