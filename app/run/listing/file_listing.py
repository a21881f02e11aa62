"""Lists images that are not DICOM like series, with the outcome that each would have."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from app.run.file_run import (
    fitting_packages,
    image_files,
    kind_of_file,
    left_beside_dicom,
    names_below,
)
from app.run.listing.series_listing import Row
from operators.dicom.read.scan import Scan, UnreadableFile
from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume
from operators.packages.packages import ModelPackage


def list_files(
    folder: Path, found: Scan, packages: Sequence[ModelPackage]
) -> tuple[list[Row], tuple[UnreadableFile, ...]]:
    """Returns a row for each image that would be read, and the images skipped beside DICOM."""
    images = image_files(folder)
    if found.series:
        return [], left_beside_dicom(images, folder, found)
    return [
        _file_row(path, name, packages) for path, name in zip(images, names_below(images), strict=True)
    ], ()


def _file_row(path: Path, name: str, packages: Sequence[ModelPackage]) -> Row:
    """Describes one file like a series."""
    kind = kind_of_file(path)
    assert kind is not None
    row = {
        **dict.fromkeys(("study_instance_uid", "series_instance_uid", "part"), ""),
        **{"other_series": [], "modality": kind.modality, "description": name, "instances": 1},
        **dict.fromkeys(("slices", "rows", "columns"), 0),
        **{"spacing_mm": None, "ijk_to_lps": None, "package": None, "refusal": None, "warnings": []},
    }
    try:
        image = kind.read(path)
    except UnsuitableError as error:
        return row | {"refusal": {"code": error.code, "text": str(error)}}
    columns, rows, slices = image.grid.shape
    row |= {"slices": slices, "rows": rows, "columns": columns}
    if isinstance(image, CtVolume):
        spacing_mm = [round(step, 6) for step in image.grid.spacing_mm]
        row |= {"spacing_mm": spacing_mm, "ijk_to_lps": image.grid.ijk_to_lps.tolist()}
    try:
        readers = [package.name for package in fitting_packages(image, packages)]
    except UnsuitableError as error:
        return row | {"ijk_to_lps": None, "refusal": {"code": error.code, "text": str(error)}}
    return row | {"package": ", ".join(readers), "warnings": [note.text for note in image.notes]}
