"""Measures the gain from prefetching: two studies in a row, with and without prefetching the second.

    python -m benchmarks.node.prefetch [--models FOLDER] [--pairs 2] [--uncompressed]

A worker's own steps segment each pair, with and without in turns, in one process with its networks loaded.
The CT is a procedural one of 512 x 512, stored in JPEG-LS, which is slow to decode, or uncompressed.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.uid import JPEGLSLossless

from app.node.queue.job import StudyJob, job_folder
from app.node.segment.next_study import NextStudy
from app.node.segment.segmenting import Segmenter
from app.node.settings.configuration import NodeSettings
from app.run.series_job import loaded_graph
from app.settings import Settings, read_settings
from operators.package_files.package_reader import read_packages
from training.command_line import run
from training.phantoms import phantom_ct, write_series

LIMIT_BYTES = 512_000_000
FIRST, SECOND = "1.1-1", "1.2-1"


class Known(NextStudy):
    """Finds the second study in the queue while the first is being segmented."""

    waiting = ""

    def look(self) -> None:
        """Looks for the next study to prefetch."""
        self.queued = lambda: self.waiting
        super().look()


def main(*, models: Path | None = None, pairs: int = 2, uncompressed: bool = False) -> None:
    """Prints the seconds of the pairs with and without prefetching, of an uncompressed CT too if asked."""
    settings = read_settings(models=models)
    with tempfile.TemporaryDirectory() as temporary:
        for compressed in (True, False) if uncompressed else (True,):
            measure(Path(temporary) / str(compressed), settings, pairs, compressed)


def measure(data: Path, given: Settings, pairs: int, compressed: bool) -> None:
    """Measures one encoding of the CT and prints medians."""
    write_studies(data, compressed)
    settings = given.model_copy(update={"node": NodeSettings(data=data)})
    packages = read_packages(settings.models)
    graph = loaded_graph(settings, packages)
    next_study = Known(data, packages, LIMIT_BYTES, str, lambda _: True)
    segmenters = {
        "without": Segmenter(settings, packages, graph),
        "with": Segmenter(settings, packages, graph, next_study),
    }
    # The first run is slower
    one(segmenters["without"], FIRST)
    seconds: dict[str, list[float]] = {name: [] for name in segmenters}
    for _ in range(pairs):
        for name, segmenter in segmenters.items():
            began = time.perf_counter()
            for job_id in (FIRST, SECOND):
                next_study.waiting = SECOND if job_id == FIRST else ""
                one(segmenter, job_id)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(each) for name, each in seconds.items()}
    print(
        f"{'JPEG-LS' if compressed else 'uncompressed'}: two studies without {medians['without']:.2f} s, "
        f"with {medians['with']:.2f} s, {medians['without'] / medians['with']:.3f} times as fast; {seconds}",
        flush=True,
    )
    if next_study.reader:
        next_study.reader.ended()


def one(segmenter: Segmenter, job_id: str) -> None:
    """Runs a worker's steps on one study."""
    job = StudyJob(job_id, job_id.partition("-")[0], 1, "2026-01-01T00:00:00", "CT1", 0).as_json()
    if isinstance(segmenter.ahead, Known) and segmenter.ahead.waiting:
        segmenter.ahead.look()
    segmenter.decide(job)
    done = segmenter.segment(job, [0])
    assert done["state"] == "segmented", done


def write_studies(data: Path, compressed: bool) -> None:
    """Writes the same CT into the folders of two jobs."""
    phantom = phantom_ct(np.random.default_rng(3), (0.8, 0.8, 1.0))
    folder = job_folder(data, FIRST).input
    write_series(phantom.ct, folder)
    if compressed:
        for path in folder.iterdir():
            dataset = dcmread(path)
            dataset.compress(JPEGLSLossless)
            dataset.save_as(path)
    shutil.copytree(folder, job_folder(data, SECOND).input)


if __name__ == "__main__":
    run(main, __doc__)
