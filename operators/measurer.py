"""Measures what was segmented."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.imaging.measuring import measured
from operators.stages import Stages


class MeasurerOperator(Operator):
    """In: `segmentation`. Out: `measured`, the same with its measurements."""

    def __init__(self, fragment: Fragment, *args: Any, stages: Stages, **kwargs: Any) -> None:
        self.stages = stages
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.input("segmentation")
        spec.output("measured")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One segmentation."""
        with self.stages.measured("measure"):
            found = measured(op_input.receive("segmentation"))
        op_output.emit(found, "measured")
