"""The MONAI Deploy application: the operators and their flows, nothing else."""

from __future__ import annotations

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, Operator

from operators.anatomy_segmenter import AnatomySegmenterOperator
from operators.dicom.fallback_encodings import FALLBACK_ENCODINGS
from operators.fracture_segmenter import FractureSegmenterOperator
from operators.measurer import MeasurerOperator
from operators.resampler import ResamplerOperator
from operators.result_writers import (
    FallbackWriterOperator,
    PictureWriterOperator,
    ReportWriterOperator,
)
from operators.seg_writer import SegWriterOperator
from operators.segmentation.segmentation import Segmentation
from operators.series_selector import SeriesSelectorOperator
from operators.stage_operator import Work


class OsteonApplication(Application):
    """DICOM series to DICOM SEG and structured report."""

    def __init__(self, work: Work) -> None:
        self.work = work
        super().__init__([])

    def compose(self) -> None:
        """The operators and their flows."""
        work = self.work
        select = SeriesSelectorOperator(self, CountCondition(self, 1), name="series_selector", work=work)
        resample = ResamplerOperator(self, name="resampler", work=work)
        anatomy = AnatomySegmenterOperator(self, name="anatomy_segmenter", work=work)
        fracture = FractureSegmenterOperator(self, name="fracture_segmenter", work=work)
        measure = MeasurerOperator(self, name="measurer", work=work)
        seg = SegWriterOperator(self, name="seg_writer", work=work)
        report = ReportWriterOperator(self, name="report_writer", work=work)
        pictures = PictureWriterOperator(self, name="picture_writer", work=work)
        self.report = report
        flows: list[tuple[Operator, str, tuple[Operator, ...]]] = [
            (select, "selection", (resample, seg, report, pictures)),
            (resample, "resampled", (anatomy, measure, pictures)),
            (anatomy, "anatomy", (fracture,)),
            (fracture, "segmentation", (measure,)),
            # Names of bones and fragments come from what is measured
            (measure, "measured", (seg, report, pictures)),
            (seg, "seg", (report,)),
        ]
        if FALLBACK_ENCODINGS.keys() & work.paths.files.keys():
            fallbacks = FallbackWriterOperator(self, name="fallback_writer", work=work)
            flows += [(select, "selection", (fallbacks,)), (measure, "measured", (fallbacks,))]
        for source, port, takers in flows:
            for taker in takers:
                self.add_flow(source, taker, {(port, port)})


def run_graph(work: Work) -> Segmentation:
    """Runs the graph once. Raises the first error of an operator, once those at work have ended."""
    application = OsteonApplication(work)
    application.run()
    work.signals.restore()
    if work.errors:
        # An error knows the operators that it went through: within their reach, it would keep the graph
        raise work.errors.pop()
    segmentation = application.report.segmentation
    if segmentation is None:
        raise RuntimeError("expected the graph to end in its report, it ended before")
    return segmentation
