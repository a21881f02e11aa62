"""MONAI operator that splits each bone into its fracture fragments."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.networks.registry import Networks
from operators.pipelines.several import segment_fractures
from operators.progress import Observer


class FractureSegmenterOperator(Operator):
    """Turns the input `anatomy` into the output `segmentation`."""

    def __init__(
        self, fragment: Fragment, *args: Any, networks: Networks, observer: Observer, **kwargs: Any
    ) -> None:
        self.networks, self.observer = networks, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        spec.input("anatomy")
        spec.output("segmentation")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Splits the bones of one anatomy and emits the segmentation."""
        anatomy = op_input.receive("anatomy")
        with self.observer.measured("fractures"):
            segmentation = segment_fractures(anatomy, self.networks, self.observer.progress)
        op_output.emit(segmentation, "segmentation")
