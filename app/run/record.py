"""The record of what became of one series: the outcome, its files, its cost."""

from __future__ import annotations

from dataclasses import dataclass, field

from app.run.results import MASK, NIFTI, SEG, SR, Names
from operators.results.attempts import MissingResult
from operators.segmentation.segmentation import Segmentation

SELECTED = "selected"


@dataclass(frozen=True)
class StageRecord:
    """The cost of one stage; `peak_rss_mb` is the process's highest resident memory at its end."""

    name: str
    seconds: float
    peak_rss_mb: float


@dataclass(frozen=True, eq=False)
class SeriesRecord:
    """The outcome of one series: `code` is "selected" or a refusal's, `sentence` says why.

    `segmentation` is None without a result; `names` are the files of each kind of result (a row of
    RESULTS), relative to the output folder. `other_series` are further SeriesInstanceUIDs of parts of the
    same scan; `missing` are results that could not be made, with the reason. `is_projection` as in Series.
    """

    study_instance_uid: str
    series_instance_uid: str
    part: str
    modality: str
    slices: int
    code: str
    sentence: str
    warnings: tuple[str, ...] = ()
    segmentation: Segmentation | None = None
    names: Names = field(default_factory=dict)
    result_sop_instance_uid: str | None = None
    stages: tuple[StageRecord, ...] = ()
    other_series: tuple[str, ...] = ()
    missing: tuple[MissingResult, ...] = ()
    is_projection: bool = False

    def name(self, kind: str) -> str | None:
        """Returns the file of a kind that has a single one; None if it was not made."""
        return next(iter(self.names.get(kind, ())), None)

    @property
    def result(self) -> str | None:
        """The SEG; for other images the label map; for a radiograph without findings the report."""
        return self.name(SEG) or self.name(NIFTI) or self.name(MASK) or self.name(SR)
