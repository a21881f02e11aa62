"""Measures what was segmented, and says what may be wrong with it."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.attempts import Attempts
from operators.image_kinds import kind_of
from operators.progress import Observer


class MeasurerOperator(Operator):
    """In: `resampled`, `segmentation`. Out: `measured`, the same with its measurements and flags.

    What cannot be measured goes on as it is, and there is no report.
    """

    def __init__(
        self, fragment: Fragment, *args: Any, attempts: Attempts, observer: Observer, **kwargs: Any
    ) -> None:
        self.attempts, self.observer = attempts, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.input("resampled")
        spec.input("segmentation")
        spec.output("measured")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One segmentation."""
        resampled, segmentation = op_input.receive("resampled"), op_input.receive("segmentation")
        found = segmentation
        with self.observer.measured("measure"), self.attempts.attempt("sr"):
            found = kind_of(segmentation).measure_and_flag(resampled.source, segmentation)
        op_output.emit(found, "measured")
