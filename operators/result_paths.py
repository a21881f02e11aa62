"""Where the results of one series go, and what they say of their making."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from operators.attempts import Attempts
from operators.dicom.headers.series import Series
from operators.dicom.provenance.provenance import Provenance
from operators.segmentation.segmentation import Segmentation


@dataclass(frozen=True)
class ResultPaths:
    """`seg_profile` is a row of the SEG writer's table; a `revision` above 1 replaces earlier results.

    Without a `turntable` there are no views from all around. `stand_ins` are forms of the segmentation for
    those that take no SEG: rows of the stand-in writer's table. `attempts` takes what could not be made.
    """

    seg: Path
    measurements: Path
    preview: Path
    pictures: Path
    turntable: Path | None
    key_objects: Path
    made_at: datetime
    software_version: str
    revision: int = 1
    seg_profile: str = "binary"
    fallbacks: tuple[tuple[str, Path], ...] = ()
    attempts: Attempts = field(default_factory=Attempts)

    def provenance(self, series: Series, made: Segmentation) -> Provenance:
        """Returns the provenance that all DICOM results of a series share."""
        return Provenance(
            series, made.package, self.made_at, self.software_version, self.revision, made.network_runs
        )
