"""Emits the series that this run of the graph is for."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.read.scan import Scan
from operators.dicom.select.selection import candidates, select
from operators.packages.packages import ModelPackage
from operators.progress import Stages


class SeriesSelectorOperator(Operator):
    """Out: `selection`, that of the `number`-th candidate of the packages."""

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        scan: Scan,
        packages: tuple[ModelPackage, ...],
        number: int,
        stages: Stages,
        **kwargs: Any,
    ) -> None:
        self.scan, self.packages, self.number, self.stages = scan, packages, number, stages
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.output("selection")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One selection."""
        with self.stages.measured("select"):
            found = candidates(select(self.scan, self.packages))
        op_output.emit(found[self.number].selection, "selection")
