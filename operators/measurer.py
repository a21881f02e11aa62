"""MONAI operator that measures a segmentation and flags what may be wrong with it."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.attempts import Attempts
from operators.image_kinds import kind_of
from operators.progress import Observer


class MeasurerOperator(Operator):
    """Turns `resampled` and `segmentation` into `measured`: the segmentation with its measurements and flags.

    A segmentation that cannot be measured is passed on unchanged, and there is no report.
    """

    def __init__(
        self, fragment: Fragment, *args: Any, attempts: Attempts, observer: Observer, **kwargs: Any
    ) -> None:
        self.attempts, self.observer = attempts, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        spec.input("resampled")
        spec.input("segmentation")
        spec.output("measured")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Measures one segmentation and emits it."""
        resampled, segmentation = op_input.receive("resampled"), op_input.receive("segmentation")
        found = segmentation
        with self.observer.measured("measure"), self.attempts.attempt("sr"):
            found = kind_of(segmentation).measure_and_flag(resampled.source, segmentation)
        op_output.emit(found, "measured")
