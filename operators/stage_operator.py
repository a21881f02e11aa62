"""Base of the MONAI operators: receives its inputs, calls one function, emits what it returns."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.headers.series import Series
from operators.dicom.select.selection import Selection
from operators.geometry.projection import Image
from operators.networks.registry import Networks
from operators.process.progress import Observer
from operators.process.signal_actions import SignalActions
from operators.results.result_paths import ResultPaths


@dataclass(frozen=True, eq=False)
class Work:
    """The input of one run of the graph, which all operators share; `read` gives a series' image.

    `errors` holds the first error of an operator. It does not pass through Holoscan, which would never free
    the graph's 19 MB again (holoscan 4.6). `signals` are the process's actions, which Holoscan replaces.
    """

    selection: Selection
    networks: Networks
    paths: ResultPaths
    observer: Observer
    read: Callable[[Series], Image]
    errors: list[Exception] = field(default_factory=list)
    signals: SignalActions = field(default_factory=SignalActions)


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
        """Receives, runs and emits; after an error nothing, so that operators that wait for it never run."""
        # Holoscan would end the graph half-way on a signal that stops the process, or that it ignores
        self.work.signals.restore()
        received = [op_input.receive(name) for name in self.inputs]
        try:
            with self.work.observer.measured(self.stage) if self.stage else nullcontext():
                result = self.run(*received)
        except Exception as error:
            if not self.work.errors:
                self.work.errors.append(error)
            return
        if self.output:
            op_output.emit(result, self.output)

    @abstractmethod
    def run(self, *received: Any, **_: Any) -> Any:
        """Returns the output for the values of `inputs`."""
