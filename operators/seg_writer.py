"""Writes a segmentation as DICOM SEG over the series that it came from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from monai.deploy.core import ExecutionContext, Fragment, InputContext, Operator, OperatorSpec, OutputContext

from operators.dicom.seg_writer import write_seg
from operators.imaging.segmentation import Segmentation
from operators.stages import Stages


@dataclass(frozen=True)
class SegTarget:
    """Where a SEG goes, and what it says of its making."""

    path: Path
    made_at: datetime
    software_version: str
    revision: int = 1


class SegWriterOperator(Operator):
    """In: `selection`, `segmentation`. What was written stays in `segmentation`."""

    segmentation: Segmentation | None = None

    def __init__(
        self, fragment: Fragment, *args: Any, target: SegTarget, stages: Stages, **kwargs: Any
    ) -> None:
        self.target, self.stages = target, stages
        super().__init__(fragment, *args, **kwargs)

    def setup(self, spec: OperatorSpec) -> None:
        """Ports."""
        spec.input("selection")
        spec.input("segmentation")

    def compute(self, op_input: InputContext, op_output: OutputContext, context: ExecutionContext) -> None:
        """One file."""
        selection, segmentation = op_input.receive("selection"), op_input.receive("segmentation")
        with self.stages.measured("write"):
            write_seg(
                segmentation,
                selection.series,
                self.target.path,
                made_at=self.target.made_at,
                software_version=self.target.software_version,
                revision=self.target.revision,
            )
        self.segmentation = segmentation
