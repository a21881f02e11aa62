"""Segments a CT or a radiograph and writes the result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.packages_in_use import packages_in_use
from app.run.file_run import segment_image
from app.run.series_job import networks_of
from app.run.stage_clock import silent
from app.settings import SOFTWARE_VERSION, read_settings
from operators.dicom.provenance.provenance import Provenance
from operators.errors import UsageError
from operators.image_files.label_files import write_nifti
from operators.results.image_kinds import kind_of
from operators.segmentation.radiograph_answer import RadiographAnswer
from operators.segmentation.segmentation import Flag, Segment, Segmentation
from operators.segmentation.summary import summary
from osteon.reading import Scan


@dataclass(frozen=True, eq=False)
class Result:
    """The segmentation of a scan, on the scan's grid."""

    scan: Scan
    segmentation: Segmentation

    @property
    def labels(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """Returns the label value of each voxel (I, J, K), 0 for background; read-only."""
        return self.segmentation.label_map.labels

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Returns the bones and fragments: value, name, codes, volume, probabilities."""
        return self.segmentation.segments

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Returns the reasons why segments may be wrong."""
        return self.segmentation.flags

    @property
    def answer(self) -> RadiographAnswer | None:
        """The answer for a radiograph: verdict, probability, findings, body part; None for a CT."""
        return self.segmentation.answer

    @property
    def summary(self) -> tuple[str, ...]:
        """Returns a sentence for each bone, then what may be wrong and the intended use."""
        return summary(self.segmentation)

    def write_nifti(self, path: str | PathLike[str]) -> Path:
        """Writes the label map as NIfTI and returns its path."""
        write_nifti(self.segmentation.label_map, Path(path))
        return Path(path)

    def write_seg(self, path: str | PathLike[str], *, made_at: datetime | None = None) -> Path:
        """Writes a DICOM SEG that references the series, and returns its path.

        Raises OutputError, and UsageError for a scan that was not read from DICOM or a radiograph without a
        finding.
        """
        if self.scan.series is None:
            raise UsageError("expected a scan that was read from DICOM, got one without a series")
        moment = made_at or datetime.now().astimezone()
        runs = self.segmentation.network_runs
        package = self.segmentation.package
        provenance = Provenance(self.scan.series, package, moment, SOFTWARE_VERSION, network_runs=runs)
        if not self.segments:
            raise UsageError("expected at least one finding for a SEG, got none")
        kind_of(self.segmentation).write_seg(self.segmentation, provenance, Path(path), "binary")
        return Path(path)


def segment(
    scan: Scan,
    *,
    package: str | None = None,
    models: str | PathLike[str] | None = None,
    device: str | None = None,
    operating_point: str | float | None = None,
    progress: Callable[[str, float], None] = silent,
) -> Result:
    """Segments the bones and fragments that the packages in `models`, or one `package`, can find.

    `device` is auto, cpu or cuda; `operating_point` is auto, sensitive, balanced, specific, or a probability
    between 0 and 1; `progress` is called with each stage and the finished share of it, 0 to 1.
    Raises UnsuitableError if the scan shows no such bone, ModelError, UsageError.
    """
    folder = None if models is None else Path(models)
    settings = read_settings(models=folder, device=device, operating_point=operating_point)
    packages = packages_in_use(settings, package)
    made = segment_image(scan.image, packages, networks_of(settings), progress)
    return Result(scan, made)
