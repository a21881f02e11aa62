"""Reads a CT or a radiograph from DICOM or from other image files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.run.file_run import FileKind, image_files, kind_of_file
from app.run.inputs import opened_input
from app.settings import read_settings
from operators.dicom.headers.series import Series
from operators.dicom.pixels.image_reader import read_image
from operators.dicom.read.scan import OtherFile, require_series, scan
from operators.dicom.select.selection import Outcome, Refusal, Selection, select
from operators.errors import UnsuitableError, UsageError
from operators.geometry.projection import Image
from operators.geometry.volume import CtVolume
from operators.package_files.package_reader import read_packages


@dataclass(frozen=True, eq=False)
class Scan:
    """One CT or radiograph, and its `series`, None if it was not read from DICOM."""

    image: Image
    series: Series | None = None

    @property
    def volume(self) -> CtVolume:
        """The CT, in Hounsfield units. Raises UsageError for a radiograph."""
        if not isinstance(self.image, CtVolume):
            raise UsageError("expected a CT, got a radiograph, which has `image.grey` and no volume")
        return self.image

    @property
    def hu(self) -> NDArray[np.int16] | NDArray[np.float32]:
        """Returns the Hounsfield units (I, J, K), read-only."""
        return self.volume.hu

    @property
    def ijk_to_lps(self) -> NDArray[np.float64]:
        """Returns the 4x4 transform from array index to mm in the patient's LPS space."""
        return self.volume.grid.ijk_to_lps

    @property
    def notes(self) -> tuple[str, ...]:
        """Returns sentences about doubtful properties of the image."""
        of_series = self.series.warnings if self.series else ()
        return (*of_series, *(note.text for note in self.image.notes))


def read(
    path: str | PathLike[str],
    *,
    series_instance_uid: str | None = None,
    models: str | PathLike[str] | None = None,
) -> Scan:
    """Reads the image at `path`: a folder, file or zip of DICOM, or NIfTI, NRRD, MetaImage, PNG or JPEG.

    Of several series it reads the one with the given UID, otherwise the best one that a package in `models`
    accepts. Raises UsageError if `path` does not exist, UnreadableError, and UnsuitableError, with the reason
    for each series, if none is an image that can be segmented.
    """
    place = Path(path)
    if not place.exists():
        raise UsageError(f"expected a folder or a file, {place} does not exist")
    kind = kind_of_file(place)
    if kind is not None:
        return Scan(kind.read(place))
    with opened_input(place) as folder:
        found = scan(folder)
        others = [] if found.series else image_files(found)
        if others:
            return Scan(_only(others).read(others[0].path))
        require_series(found)
        settings = read_settings(models=None if models is None else Path(models))
        series = _chosen(select(found, read_packages(settings.models)), series_instance_uid)
        return Scan(read_image(series), series)


def _chosen(outcomes: Sequence[Outcome], uid: str | None) -> Series:
    """Returns the series with a UID, or the best one without. Raises UnsuitableError if none can be read."""
    named = [each for each in outcomes if uid in (None, each.series.series_instance_uid)]
    chosen = [each.series for each in named if uid is not None or isinstance(each, Selection)]
    fitting = [series for series in chosen if series.grid is not None]
    if not fitting:
        reasons = [each.text for each in outcomes if isinstance(each, Refusal)]
        text = "expected a series with the given UID that can be read, got none"
        raise UnsuitableError("; ".join(dict.fromkeys(reasons)) or text)
    return fitting[0]


def _only(images: Sequence[OtherFile]) -> FileKind:
    """Returns the kind of the only image. Raises UsageError if there are several."""
    kind = kind_of_file(images[0].path)
    if len(images) > 1 or kind is None:
        raise UsageError(f"expected one image, got {len(images)}: read each by its own path")
    return kind
