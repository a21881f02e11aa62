"""Emits the series that this run of the graph is for."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.select.selection import Selection
from operators.progress import Observer


class SeriesSelectorOperator(Operator):
    """Out: `selection`, one series of a folder and the packages that read it."""

    def __init__(
        self, fragment: Fragment, *args: Any, selection: Selection, observer: Observer, **kwargs: Any
    ) -> None:
        self.selection, self.observer = selection, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.output("selection")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One selection."""
        with self.observer.measured("select"):
            op_output.emit(self.selection, "selection")
