"""MONAI operator that finds and outlines the bones."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.networks.registry import Networks
from operators.pipelines.several import segment_anatomy
from operators.progress import Observer


class AnatomySegmenterOperator(Operator):
    """Turns the input `resampled` into the output `anatomy`."""

    def __init__(
        self, fragment: Fragment, *args: Any, networks: Networks, observer: Observer, **kwargs: Any
    ) -> None:
        self.networks, self.observer = networks, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        spec.input("resampled")
        spec.output("anatomy")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Segments the anatomy of one resampled image and emits it."""
        resampled = op_input.receive("resampled")
        with self.observer.measured("anatomy"):
            anatomy = segment_anatomy(resampled, self.networks, self.observer.progress)
        op_output.emit(anatomy, "anatomy")
