"""Segments a CT and writes what was found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.files.label_files import write_nifti
from app.packages_in_use import packages_in_use
from app.run.series_job import networks_of
from app.run.stage_clock import silent
from app.run.volume_run import segment_volume
from app.settings import SOFTWARE_VERSION, read_settings
from operators.dicom.provenance.provenance import Provenance
from operators.dicom.seg.seg_writer import write_seg
from operators.errors import UsageError
from operators.segmentation.segmentation import Flag, Segment, Segmentation
from operators.segmentation.summary import summary
from osteon.reading import Scan


@dataclass(frozen=True, eq=False)
class Result:
    """What was found in a scan, on the scan's own grid."""

    scan: Scan
    segmentation: Segmentation

    @property
    def labels(self) -> NDArray[np.uint8] | NDArray[np.uint16]:
        """The value of each voxel (I, J, K), 0 for none; read-only."""
        return self.segmentation.label_map.labels

    @property
    def segments(self) -> tuple[Segment, ...]:
        """Bones and fragments: value, name, codes, volume, probabilities."""
        return self.segmentation.segments

    @property
    def flags(self) -> tuple[Flag, ...]:
        """Returns why a segment may be wrong, in sentences."""
        return self.segmentation.flags

    @property
    def summary(self) -> tuple[str, ...]:
        """A sentence for each bone, what may be wrong, and what the result is for."""
        return summary(self.segmentation)

    def write_nifti(self, path: str | PathLike[str]) -> Path:
        """Writes the label map as NIfTI."""
        write_nifti(self.segmentation.label_map, Path(path))
        return Path(path)

    def write_seg(self, path: str | PathLike[str], *, made_at: datetime | None = None) -> Path:
        """Writes a DICOM SEG over the series. Raises UsageError for a scan that is no DICOM, OutputError."""
        if self.scan.series is None:
            raise UsageError("expected a scan that was read from DICOM, got one without a series")
        moment = made_at or datetime.now().astimezone()
        runs = self.segmentation.network_runs
        package = self.segmentation.package
        provenance = Provenance(self.scan.series, package, moment, SOFTWARE_VERSION, network_runs=runs)
        return write_seg(self.segmentation, provenance, Path(path))


def segment(
    scan: Scan,
    *,
    package: str | None = None,
    models: str | PathLike[str] | None = None,
    device: str | None = None,
    progress: Callable[[str, float], None] = silent,
) -> Result:
    """Segments the bones and fragments that the packages in `models` know, or those of one `package`.

    `device` is auto, cpu or cuda; `progress` is told each stage and how much of it is done, 0 to 1. Raises
    UnsuitableError where the scan shows nothing that they deliver, ModelError, UsageError.
    """
    settings = read_settings(models=None if models is None else Path(models), device=device)
    packages = packages_in_use(settings, package)
    made = segment_volume(scan.volume, packages, networks_of(settings), progress)
    return Result(scan, made)
