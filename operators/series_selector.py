"""MONAI operator that emits the series for which this run of the graph is."""

from __future__ import annotations

from operators.dicom.select.selection import Selection
from operators.stage_operator import StageOperator


class SeriesSelectorOperator(StageOperator):
    """Emits `selection`, one series of a folder and the packages that read it."""

    output, stage = "selection", "select"

    def run(self) -> Selection:
        """Returns the selection."""
        return self.work.selection
