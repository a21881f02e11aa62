"""MONAI operator that reads a selection's pixels and resamples them for each package's first network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.headers.series import Series
from operators.geometry.projection import Image
from operators.pipelines.several import resample
from operators.progress import Observer


class ResamplerOperator(Operator):
    """Turns the input `selection` into the output `resampled`."""

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        observer: Observer,
        read: Callable[[Series], Image],
        **kwargs: Any,
    ) -> None:
        self.observer, self.read = observer, read
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        spec.input("selection")
        spec.output("resampled")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Reads and resamples one image and emits it."""
        selection = op_input.receive("selection")
        with self.observer.measured("read"):
            image = self.read(selection.series)
        with self.observer.measured("resample"):
            resampled = resample(image, selection.packages)
        op_output.emit(resampled, "resampled")
