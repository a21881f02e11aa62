"""The MONAI Deploy application: the operators and their flows, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, Operator

from operators.anatomy_segmenter import AnatomySegmenterOperator
from operators.dicom.fallback_encodings import FALLBACK_ENCODINGS
from operators.dicom.headers.series import Series
from operators.dicom.select.selection import Selection
from operators.fracture_segmenter import FractureSegmenterOperator
from operators.geometry.projection import Image
from operators.measurer import MeasurerOperator
from operators.networks.registry import Networks
from operators.progress import Observer
from operators.resampler import ResamplerOperator
from operators.result_paths import ResultPaths
from operators.seg_writer import SegWriterOperator
from operators.segmentation.segmentation import Segmentation
from operators.series_selector import SeriesSelectorOperator
from operators.writers.fallback_writer import FallbackWriterOperator
from operators.writers.picture_writer import PictureWriterOperator
from operators.writers.report_writer import ReportWriterOperator


@dataclass(frozen=True, eq=False)
class Work:
    """The input of one run of the graph."""

    selection: Selection
    networks: Networks
    paths: ResultPaths
    observer: Observer
    read: Callable[[Series], Image]


class OsteonApplication(Application):
    """DICOM series to DICOM SEG and structured report."""

    def __init__(self, work: Work) -> None:
        self.work = work
        super().__init__([])

    def compose(self) -> None:
        """The operators and their flows."""
        work, observer, paths = self.work, self.work.observer, self.work.paths
        select = SeriesSelectorOperator(
            self, CountCondition(self, 1), name="series_selector", selection=work.selection, observer=observer
        )
        resample = ResamplerOperator(self, name="resampler", observer=observer, read=work.read)
        nets = work.networks
        anatomy = AnatomySegmenterOperator(self, name="anatomy_segmenter", networks=nets, observer=observer)
        fracture = FractureSegmenterOperator(
            self, name="fracture_segmenter", networks=nets, observer=observer
        )
        tries = paths.attempts
        measure = MeasurerOperator(self, name="measurer", attempts=tries, observer=observer)
        seg = SegWriterOperator(self, name="seg_writer", paths=paths, observer=observer)
        report = ReportWriterOperator(self, name="report_writer", paths=paths, observer=observer)
        pictures = PictureWriterOperator(self, name="picture_writer", paths=paths, observer=observer)
        self.report = report
        flows: list[tuple[Operator, str, tuple[Operator, ...]]] = [
            (select, "selection", (resample, seg, report, pictures)),
            (resample, "resampled", (anatomy, measure, pictures)),
            (anatomy, "anatomy", (fracture,)),
            (fracture, "segmentation", (seg, measure)),
            (measure, "measured", (report, pictures)),
            (seg, "seg", (report,)),
        ]
        if FALLBACK_ENCODINGS.keys() & paths.files.keys():
            fallbacks = FallbackWriterOperator(self, name="fallback_writer", paths=paths, observer=observer)
            flows += [(select, "selection", (fallbacks,)), (fracture, "segmentation", (fallbacks,))]
        for source, port, takers in flows:
            for taker in takers:
                self.add_flow(source, taker, {(port, port)})


def run_graph(work: Work) -> Segmentation:
    """Runs the graph once; the operators' own errors come out of it."""
    application = OsteonApplication(work)
    application.run()
    segmentation = application.report.segmentation
    if segmentation is None:
        raise RuntimeError("expected the graph to end in its report, it ended before")
    return segmentation
