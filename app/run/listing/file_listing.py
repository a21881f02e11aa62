"""Lists images that are not DICOM like series, with the outcome that each would have."""

from __future__ import annotations

from collections.abc import Sequence

from app.run.file_run import (
    fitting_packages,
    image_files,
    kind_of_file,
    left_beside_dicom,
    not_used,
)
from app.run.listing.series_listing import Row
from operators.dicom.read.scan import OtherFile, Scan, UnreadableFile
from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume
from operators.packages.packages import ModelPackage


def list_files(found: Scan, packages: Sequence[ModelPackage]) -> tuple[list[Row], tuple[UnreadableFile, ...]]:
    """Returns a row for each image that would be read, and the files that would not be."""
    images = image_files(found)
    if found.series:
        return [], left_beside_dicom(images)
    return [_file_row(file, packages) for file in images], not_used(found, images)


def _file_row(file: OtherFile, packages: Sequence[ModelPackage]) -> Row:
    """Describes one file like a series."""
    kind = kind_of_file(file.path)
    assert kind is not None
    row = {
        **dict.fromkeys(("study_instance_uid", "series_instance_uid", "part"), ""),
        **{"other_series": [], "modality": kind.modality, "description": file.name, "instances": 1},
        **dict.fromkeys(("slices", "rows", "columns"), 0),
        **{"spacing_mm": None, "ijk_to_lps": None, "package": None, "refusal": None, "warnings": []},
    }
    try:
        image = kind.read(file.path)
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
