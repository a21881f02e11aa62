"""Draws the fractures on their slices and the bones from all around, and writes secondary captures."""

from __future__ import annotations

from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.picture_writer import write_pictures, write_turntable
from operators.imaging.fracture_pictures import fracture_pictures
from operators.imaging.turntable import turntable
from operators.stages import Stages
from operators.targets import Targets


class PictureWriterOperator(Operator):
    """In: `selection`, `resampled`, `measured`. No fracture, no file."""

    def __init__(
        self, fragment: Fragment, *args: Any, targets: Targets, stages: Stages, **kwargs: Any
    ) -> None:
        self.targets, self.stages = targets, stages
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.input("selection")
        spec.input("resampled")
        spec.input("measured")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """A file for each picture and each view."""
        selection, measured = op_input.receive("selection"), op_input.receive("measured")
        resampled = op_input.receive("resampled")
        with self.stages.measured("pictures"):
            making = self.targets.making(selection.series, measured)
            write_pictures(fracture_pictures(resampled.source, measured), making, self.targets.pictures)
            write_turntable(turntable(measured), making, self.targets.turntable)
