"""MONAI operator that draws the segmentation over the image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.attempts import Attempts
from operators.image_kinds import kind_of
from operators.progress import Observer
from operators.writers.preview_file import write_png


class PreviewWriterOperator(Operator):
    """Draws a preview from `resampled` and `segmentation`."""

    def __init__(
        self,
        fragment: Fragment,
        *args: Any,
        path: Path,
        attempts: Attempts,
        observer: Observer,
        **kwargs: Any,
    ) -> None:
        self.path, self.attempts, self.observer = path, attempts, observer
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Declares the ports."""
        spec.input("resampled")
        spec.input("segmentation")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """Draws and writes one picture."""
        resampled, segmentation = op_input.receive("resampled"), op_input.receive("segmentation")
        with self.observer.measured("preview"), self.attempts.attempt("preview", self.path):
            write_png(kind_of(segmentation).draw_preview(resampled.source, segmentation), self.path)
