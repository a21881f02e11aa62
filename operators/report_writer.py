"""Writes the measurements as a structured report on the SEG."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.report_writer import write_report
from operators.imaging.segmentation import Segmentation
from operators.stages import Stages
from operators.targets import Targets


class ReportWriterOperator(Operator):
    """In: `selection`, `measured`, `seg` (its path). What was reported stays in `segmentation`."""

    segmentation: Segmentation | None = None

    def __init__(
        self, fragment: Fragment, *args: Any, targets: Targets, stages: Stages, **kwargs: Any
    ) -> None:
        self.targets, self.stages = targets, stages
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.input("selection")
        spec.input("measured")
        spec.input("seg")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One file."""
        selection, segmentation = op_input.receive("selection"), op_input.receive("measured")
        seg = op_input.receive("seg")
        with self.stages.measured("report"):
            making = self.targets.making(selection.series, segmentation)
            write_report(segmentation, making, seg, self.targets.measurements)
        self.segmentation = segmentation
