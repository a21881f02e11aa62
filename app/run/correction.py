"""Makes the results of a corrected SEG, in place of the graph that makes those of a prediction."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from app.run.results import SEG
from app.run.series_job import Job, result_paths
from app.run.stage_clock import StageClock
from operators.segmentation.segmentation import Segmentation


def make_results(corrected: Path, original: Path, job: Job, clock: StageClock) -> Segmentation:
    """Writes the results of one series beside the corrected SEG, which was made of the SEG `original`."""
    from operators.dicom.seg.corrected_reader import read_corrected
    from operators.results.writing import measure, write_drawings, write_fallbacks, write_measurements

    series, paths = job.selection.series, result_paths(job)
    with clock.measured("read"):
        image = job.read(series)
        made = read_corrected(corrected, original, image.grid, job.selection.packages)
    with suppress(FileExistsError):
        os.link(corrected, paths.files[SEG])
    with clock.measured("measure"):
        measured = measure(made, image, paths)
    with clock.measured("report"):
        write_measurements(measured, series, paths.files[SEG], paths)
    with clock.measured("pictures"):
        write_drawings(measured, series, image, paths)
    write_fallbacks(measured, series, paths)
    return measured
