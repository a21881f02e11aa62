"""Base of the MONAI operators: receives its inputs, calls one function, emits what it returns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.headers.series import Series
from operators.dicom.select.selection import Selection
from operators.geometry.projection import Image
from operators.networks.registry import Networks
from operators.process.progress import Observer
from operators.results.result_paths import ResultPaths


@dataclass(frozen=True, eq=False)
class Work:
    """The input of one run of the graph, which all operators share; `read` gives a series' image."""

    selection: Selection
    networks: Networks
    paths: ResultPaths
    observer: Observer
    read: Callable[[Series], Image]


class StageOperator(Operator):
    """Passes `inputs` to `run`, whose time is measured as `stage`, and emits its result as `output`, if any.

    Without a `stage` the operator measures its own stages.
    """

    inputs: ClassVar[tuple[str, ...]] = ()
    output: ClassVar[str] = ""
    stage: ClassVar[str] = ""

    def __init__(self, fragment: Fragment, *conditions: Any, name: str, work: Work) -> None:
        self.work = work
        super().__init__(fragment, *conditions, name=name)

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        for name in self.inputs:
            spec.input(name)
        if self.output:
            spec.output(self.output)

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Receives, runs and emits."""
        received = [op_input.receive(name) for name in self.inputs]
        with self.work.observer.measured(self.stage) if self.stage else nullcontext():
            result = self.run(*received)
        if self.output:
            op_output.emit(result, self.output)

    @abstractmethod
    def run(self, *received: Any, **_: Any) -> Any:
        """Returns the output for the values of `inputs`."""
