"""Finds and outlines the bones."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.networks.registry import Networks
from operators.pipelines.several import segment_anatomy
from operators.progress import Observer


class AnatomySegmenterOperator(Operator):
    """In: `resampled`. Out: `anatomy`."""

    def __init__(
        self, fragment: Fragment, *args: Any, networks: Networks, observer: Observer, **kwargs: Any
    ) -> None:
        self.networks, self.observer = networks, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.input("resampled")
        spec.output("anatomy")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One set of bones."""
        resampled = op_input.receive("resampled")
        with self.observer.measured("anatomy"):
            anatomy = segment_anatomy(resampled, self.networks, self.observer.progress)
        op_output.emit(anatomy, "anatomy")
