"""Measures CPU seconds from labels to report, pictures and page, beside SimpleITK's label statistics.

    python -m benchmarks.reporting [--data PATIENT] [--repeats 3]

The labels are an expert's outlines of a real patient's bones. The peer measures the same labels with
LabelShapeStatisticsImageFilter (volume, surface, moments, no diameters) in the same process, in turns.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK

from app.run.html.writer import write_page
from operators.dicom.capture.secondary_captures import write_pictures, write_turntable
from operators.dicom.seg.seg_writer import write_seg
from operators.dicom.sr.report_writer import write_report
from operators.geometry.volume import CtVolume
from operators.measure.flags import flag_result
from operators.measure.measuring import measure_segments
from operators.render.fracture_pictures import fracture_pictures
from operators.render.turntable import draw_turntable
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.seg_cases import MADE_AT, provenance, series
from tests.unit.app.run.test_report_real import DATA, outlined, record_of
from training.command_line import run


def main(*, data: Path = DATA, repeats: int = 3) -> None:
    """Prints the medians and their ratios to the peer's median."""
    made = outlined(data)
    turns: dict[str, list[float]] = {}
    for _ in range(repeats):
        turns.setdefault("SimpleITK", []).append(processor_s(lambda: peer(made)))
        with tempfile.TemporaryDirectory() as folder:
            for name, seconds in stages(made, Path(folder)).items():
                turns.setdefault(name, []).append(seconds)
    medians = {name: statistics.median(found) for name, found in turns.items()}
    for name, seconds in medians.items():
        print(f"{name}: {seconds:.2f} s ({seconds / medians['SimpleITK']:.2f})")


def peer(made: Segmentation) -> None:
    """Computes every label's statistics with SimpleITK."""
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(made.label_map.labels.transpose(2, 1, 0)))
    statistics_of = SimpleITK.LabelShapeStatisticsImageFilter()
    statistics_of.ComputeFeretDiameterOff()
    statistics_of.Execute(image)


def stages(made: Segmentation, folder: Path) -> dict[str, float]:
    """Returns the CPU seconds of each stage."""
    source = series(made.label_map.grid)
    volume = CtVolume(np.where(made.label_map.labels > 0, 500, 40).astype(np.int16), made.label_map.grid)
    seg = write_seg(made, provenance(made, source), folder / "segmentation.dcm")
    found: list[Segmentation] = []
    seconds = {"measurements": processor_s(lambda: found.append(flag_result(measure_segments(made), volume)))}
    of = provenance(found[0], source)

    def pictures() -> None:
        write_pictures(fracture_pictures(volume, found[0]), of, folder / "pictures")
        write_turntable(draw_turntable(found[0]), of, folder / "turntable")

    report = folder / "measurements.dcm"
    seconds["report"] = processor_s(lambda: write_report(found[0], of, seg, report))
    seconds["pictures"] = processor_s(pictures)
    names = sorted((folder / "pictures").glob("*"))
    page = folder / "report.html"
    seconds["page"] = processor_s(lambda: write_page(record_of(found[0]), page, names, MADE_AT, "0.1.0"))
    return seconds


def processor_s(work: Callable[[], object]) -> float:
    """Returns the CPU seconds that `work` takes."""
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


if __name__ == "__main__":
    run(main, __doc__)
