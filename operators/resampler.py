"""Reads the pixels of a selection and brings them to the spacing of each package's first network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.headers.series import Series
from operators.geometry.projection import Image
from operators.pipelines.several import resample
from operators.progress import Observer


class ResamplerOperator(Operator):
    """In: `selection`. Out: `resampled`."""

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
        """Ports."""
        spec.input("selection")
        spec.output("resampled")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One image."""
        selection = op_input.receive("selection")
        with self.observer.measured("read"):
            image = self.read(selection.series)
        with self.observer.measured("resample"):
            resampled = resample(image, selection.packages)
        op_output.emit(resampled, "resampled")
