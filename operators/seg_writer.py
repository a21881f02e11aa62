"""Writes a segmentation as DICOM SEG over the series that it came from."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.seg_writer import write_seg
from operators.stages import Stages
from operators.targets import Targets


class SegWriterOperator(Operator):
    """In: `selection`, `segmentation`. Out: `seg`, the path of what was written."""

    def __init__(
        self, fragment: Fragment, *args: Any, targets: Targets, stages: Stages, **kwargs: Any
    ) -> None:
        self.targets, self.stages = targets, stages
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.input("selection")
        spec.input("segmentation")
        spec.output("seg")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One file."""
        selection, segmentation = op_input.receive("selection"), op_input.receive("segmentation")
        with self.stages.measured("write"):
            making = self.targets.making(selection.series, segmentation)
            seg = write_seg(segmentation, making, self.targets.seg, profile=self.targets.seg_profile)
        op_output.emit(seg, "seg")
