"""MONAI operator that writes a segmentation as DICOM SEG of the series that it came from."""

from __future__ import annotations

from pathlib import Path

from operators.dicom.select.selection import Selection
from operators.results.image_kinds import kind_of
from operators.segmentation.segmentation import Segmentation
from operators.stage_operator import StageOperator


class SegWriterOperator(StageOperator):
    """Emits the path of the SEG as `seg`; the file is missing if nothing was found in a radiograph."""

    inputs, output, stage = ("selection", "measured"), "seg", "write"

    def run(self, selection: Selection, measured: Segmentation) -> Path:
        """Writes the SEG in the configured profile."""
        paths = self.work.paths
        provenance, path = paths.provenance(selection.series, measured), paths.files["seg"]
        kind_of(measured).write_seg(measured, provenance, path, paths.seg_profile)
        return path
