"""The MONAI Deploy application: the operators and their flows, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application, Operator

from operators.anatomy_segmenter import AnatomySegmenterOperator
from operators.dicom.headers.series import Series
from operators.dicom.select.selection import Selection
from operators.fracture_segmenter import FractureSegmenterOperator
from operators.geometry.volume import Volume
from operators.measurer import MeasurerOperator
from operators.networks.registry import Networks
from operators.progress import Stages
from operators.resampler import ResamplerOperator
from operators.result_paths import Targets
from operators.seg_writer import SegWriterOperator
from operators.segmentation.segmentation import Segmentation
from operators.series_selector import SeriesSelectorOperator
from operators.writers.fallback_writer import StandInWriterOperator
from operators.writers.picture_writer import PictureWriterOperator
from operators.writers.preview_writer import PreviewWriterOperator
from operators.writers.report_writer import ReportWriterOperator


@dataclass(frozen=True, eq=False)
class Work:
    """The input of one run of the graph."""

    selection: Selection
    networks: Networks
    targets: Targets
    stages: Stages
    read: Callable[[Series], Volume]


class OsteonApplication(Application):
    """DICOM series to DICOM SEG and structured report."""

    def __init__(self, work: Work) -> None:
        self.work = work
        super().__init__([])

    def compose(self) -> None:
        """The operators and their flows."""
        work, stages, targets = self.work, self.work.stages, self.work.targets
        select = SeriesSelectorOperator(
            self, CountCondition(self, 1), name="series_selector", selection=work.selection, stages=stages
        )
        resample = ResamplerOperator(self, name="resampler", stages=stages, read=work.read)
        nets = work.networks
        anatomy = AnatomySegmenterOperator(self, name="anatomy_segmenter", networks=nets, stages=stages)
        fracture = FractureSegmenterOperator(self, name="fracture_segmenter", networks=nets, stages=stages)
        tries = targets.attempts
        measure = MeasurerOperator(self, name="measurer", attempts=tries, stages=stages)
        seg = SegWriterOperator(self, name="seg_writer", targets=targets, stages=stages)
        preview = PreviewWriterOperator(
            self, name="preview_writer", path=targets.preview, attempts=tries, stages=stages
        )
        report = ReportWriterOperator(self, name="report_writer", targets=targets, stages=stages)
        pictures = PictureWriterOperator(self, name="picture_writer", targets=targets, stages=stages)
        self.report = report
        flows: list[tuple[Operator, str, tuple[Operator, ...]]] = [
            (select, "selection", (resample, seg, report, pictures)),
            (resample, "resampled", (anatomy, measure, preview, pictures)),
            (anatomy, "anatomy", (fracture,)),
            (fracture, "segmentation", (seg, measure, preview)),
            (measure, "measured", (report, pictures)),
            (seg, "seg", (report,)),
        ]
        if targets.stand_ins:
            stand_ins = StandInWriterOperator(self, name="stand_in_writer", targets=targets, stages=stages)
            flows += [(select, "selection", (stand_ins,)), (fracture, "segmentation", (stand_ins,))]
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
