"""Base of the MONAI operators that write DICOM results."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.provenance.provenance import Provenance
from operators.progress import Observer
from operators.result_paths import ResultPaths
from operators.segmentation.segmentation import Segmentation


class ResultWriterOperator(Operator):
    """Reads `selection` and `inputs`, of which the first is a segmentation; its time is measured as
    `stage`.
    """

    inputs: ClassVar[tuple[str, ...]]
    stage: ClassVar[str]

    def __init__(
        self, fragment: Fragment, *args: Any, paths: ResultPaths, observer: Observer, **kwargs: Any
    ) -> None:
        self.paths, self.observer = paths, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        for name in ("selection", *self.inputs):
            spec.input(name)

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Passes the inputs and their provenance to `write`."""
        selection = op_input.receive("selection")
        segmentation, *others = (op_input.receive(name) for name in self.inputs)
        with self.observer.measured(self.stage):
            self.write(self.paths.provenance(selection.series, segmentation), segmentation, *others)

    @abstractmethod
    def write(self, provenance: Provenance, segmentation: Segmentation, *others: Any) -> None:
        """Writes the files."""
