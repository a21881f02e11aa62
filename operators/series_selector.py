"""MONAI operator that emits the series for which this run of the graph is."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.select.selection import Selection
from operators.progress import Observer


class SeriesSelectorOperator(Operator):
    """Emits `selection`, one series of a folder and the packages that read it."""

    def __init__(
        self, fragment: Fragment, *args: Any, selection: Selection, observer: Observer, **kwargs: Any
    ) -> None:
        self.selection, self.observer = selection, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        spec.output("selection")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Emits the selection."""
        with self.observer.measured("select"):
            op_output.emit(self.selection, "selection")
