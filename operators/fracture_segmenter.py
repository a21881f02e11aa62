"""Splits each bone into its fracture fragments."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.networks.registry import Networks
from operators.pipelines.several import segment_fractures
from operators.progress import Observer


class FractureSegmenterOperator(Operator):
    """In: `anatomy`. Out: `segmentation`."""

    def __init__(
        self, fragment: Fragment, *args: Any, networks: Networks, observer: Observer, **kwargs: Any
    ) -> None:
        self.networks, self.observer = networks, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.input("anatomy")
        spec.output("segmentation")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One segmentation."""
        anatomy = op_input.receive("anatomy")
        with self.observer.measured("fractures"):
            segmentation = segment_fractures(anatomy, self.networks, self.observer.progress)
        op_output.emit(segmentation, "segmentation")
