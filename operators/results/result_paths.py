"""Paths of one series' results, and the provenance that they share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from operators.dicom.headers.series import Series
from operators.dicom.provenance.provenance import Provenance
from operators.results.attempts import Attempts
from operators.segmentation.segmentation import Segmentation


@dataclass(frozen=True)
class ResultPaths:
    """Paths and provenance of the results of one series.

    `files` holds the file or folder of each kind of result that is wanted; `seg_profile` is a row of the SEG
    writer's table; a `revision` above 1 replaces earlier results; `attempts` collects results that could not
    be made.
    """

    files: Mapping[str, Path]
    made_at: datetime
    software_version: str
    revision: int = 1
    seg_profile: str = "binary"
    attempts: Attempts = field(default_factory=Attempts)

    def provenance(self, series: Series, made: Segmentation) -> Provenance:
        """Returns the provenance that all DICOM results of a series share."""
        return Provenance(
            series,
            made.package,
            self.made_at,
            self.software_version,
            self.revision,
            made.network_runs,
            made.correction,
        )
