"""The MONAI Deploy application: the operators and their flows, nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application

from operators.anatomy_segmenter import AnatomySegmenterOperator
from operators.dicom.scan import Scan
from operators.fracture_segmenter import FractureSegmenterOperator
from operators.imaging.packages import ModelPackage
from operators.imaging.segmentation import Segmentation
from operators.measurer import MeasurerOperator
from operators.networks.registry import Networks
from operators.picture_writer import PictureWriterOperator
from operators.preview_writer import PreviewWriterOperator
from operators.report_writer import ReportWriterOperator
from operators.resampler import ResamplerOperator
from operators.seg_writer import SegWriterOperator
from operators.series_selector import SeriesSelectorOperator
from operators.stages import Stages
from operators.stand_in_writer import StandInWriterOperator
from operators.targets import Targets


@dataclass(frozen=True, eq=False)
class Work:
    """What one run of the graph is to do: the `number`-th suitable series of a scanned folder."""

    scan: Scan
    packages: tuple[ModelPackage, ...]
    number: int
    networks: Networks
    targets: Targets
    stages: Stages


class OsteonApplication(Application):
    """DICOM series to DICOM SEG and structured report."""

    def __init__(self, work: Work) -> None:
        self.work = work
        super().__init__([])

    def compose(self) -> None:
        """The operators and their flows."""
        work = self.work
        select = SeriesSelectorOperator(
            self,
            CountCondition(self, 1),
            name="series_selector",
            scan=work.scan,
            packages=work.packages,
            number=work.number,
            stages=work.stages,
        )
        resample = ResamplerOperator(self, name="resampler", stages=work.stages)
        anatomy = AnatomySegmenterOperator(
            self, name="anatomy_segmenter", networks=work.networks, stages=work.stages
        )
        fracture = FractureSegmenterOperator(
            self, name="fracture_segmenter", networks=work.networks, stages=work.stages
        )
        seg = SegWriterOperator(self, name="seg_writer", targets=work.targets, stages=work.stages)
        measure = MeasurerOperator(self, name="measurer", stages=work.stages)
        self.report = ReportWriterOperator(
            self, name="report_writer", targets=work.targets, stages=work.stages
        )
        self.add_flow(select, resample, {("selection", "selection")})
        self.add_flow(resample, anatomy, {("resampled", "resampled")})
        self.add_flow(anatomy, fracture, {("anatomy", "anatomy")})
        self.add_flow(fracture, seg, {("segmentation", "segmentation")})
        self.add_flow(select, seg, {("selection", "selection")})
        self.add_flow(resample, measure, {("resampled", "resampled")})
        self.add_flow(fracture, measure, {("segmentation", "segmentation")})
        self.add_flow(measure, self.report, {("measured", "measured")})
        self.add_flow(select, self.report, {("selection", "selection")})
        self.add_flow(seg, self.report, {("seg", "seg")})
        picture = PreviewWriterOperator(
            self, name="preview_writer", path=work.targets.preview, stages=work.stages
        )
        self.add_flow(resample, picture, {("resampled", "resampled")})
        self.add_flow(fracture, picture, {("segmentation", "segmentation")})
        captures = PictureWriterOperator(
            self, name="picture_writer", targets=work.targets, stages=work.stages
        )
        self.add_flow(select, captures, {("selection", "selection")})
        self.add_flow(resample, captures, {("resampled", "resampled")})
        self.add_flow(measure, captures, {("measured", "measured")})
        if work.targets.stand_ins:
            stand_ins = StandInWriterOperator(
                self, name="stand_in_writer", targets=work.targets, stages=work.stages
            )
            self.add_flow(select, stand_ins, {("selection", "selection")})
            self.add_flow(fracture, stand_ins, {("segmentation", "segmentation")})


def run_graph(work: Work) -> Segmentation:
    """Runs the graph once; the operators' own errors come out of it."""
    application = OsteonApplication(work)
    application.run()
    segmentation = application.report.segmentation
    if segmentation is None:
        raise RuntimeError("expected the graph to end in its report, it ended before")
    return segmentation
