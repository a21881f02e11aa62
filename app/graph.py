"""The MONAI Deploy application: the operators and their flows, nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from monai.deploy.conditions import CountCondition
from monai.deploy.core import Application

from operators.anatomy_segmenter import AnatomySegmenterOperator
from operators.dicom.scan import Scan
from operators.fracture_segmenter import FractureSegmenterOperator
from operators.imaging.packages import ModelPackage
from operators.imaging.segmentation import Segmentation
from operators.networks.registry import Networks
from operators.preview_writer import PreviewWriterOperator
from operators.resampler import ResamplerOperator
from operators.seg_writer import SegTarget, SegWriterOperator
from operators.series_selector import SeriesSelectorOperator
from operators.stages import Stages


@dataclass(frozen=True, eq=False)
class Work:
    """What one run of the graph is to do: the `number`-th suitable series of a scanned folder."""

    scan: Scan
    packages: tuple[ModelPackage, ...]
    number: int
    networks: Networks
    target: SegTarget
    preview: Path
    stages: Stages


class OsteonApplication(Application):
    """DICOM series to DICOM SEG."""

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
        self.writer = SegWriterOperator(self, name="seg_writer", target=work.target, stages=work.stages)
        self.add_flow(select, resample, {("selection", "selection")})
        self.add_flow(resample, anatomy, {("resampled", "resampled")})
        self.add_flow(anatomy, fracture, {("anatomy", "anatomy")})
        self.add_flow(fracture, self.writer, {("segmentation", "segmentation")})
        self.add_flow(select, self.writer, {("selection", "selection")})
        picture = PreviewWriterOperator(self, name="preview_writer", path=work.preview, stages=work.stages)
        self.add_flow(resample, picture, {("resampled", "resampled")})
        self.add_flow(fracture, picture, {("segmentation", "segmentation")})


def run_graph(work: Work) -> Segmentation:
    """Runs the graph once; the operators' own errors come out of it."""
    application = OsteonApplication(work)
    application.run()
    segmentation = application.writer.segmentation
    if segmentation is None:
        raise RuntimeError("expected the graph to end in its writer, it ended before")
    return segmentation
