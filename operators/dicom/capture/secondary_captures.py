"""Writes pictures as DICOM secondary captures, for workstations that do not show SEG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from highdicom.sc import SCImage
from pydicom import dcmread

from operators.dicom.elements.atomic_file import write_dataset
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.provenance import NOT_FOR_DIAGNOSIS, Provenance, ResultSeries, complete
from operators.dicom.provenance.result_check import ResultName, checked, unlike
from operators.dicom.provenance.source_headers import stated_orientation
from operators.dicom.provenance.source_references import nearest, reference
from operators.errors import UnsuitableError
from operators.geometry.volume import Grid
from operators.render.fracture_pictures import FracturePicture
from operators.render.projection_pictures import ProjectionPicture
from operators.render.surface_view import Picture
from operators.render.turntable import DIRECTIONS, View, letters, right_of

DrawnPicture = FracturePicture | ProjectionPicture


# After the report's
PICTURES = ResultSeries("picture", 9700, "pictures")
TURNTABLE = ResultSeries("turntable", 9800, "from all around")


def write_pictures(pictures: Sequence[DrawnPicture], provenance: Provenance, folder: Path) -> list[Path]:
    """Writes a Secondary Capture Image (PS3.3 A.8.1) of each into a cleared `folder`; raises OutputError."""
    return write_alone([make_picture(each, provenance, n) for n, each in enumerate(pictures, 1)], folder)


def write_turntable(views: tuple[View, ...], provenance: Provenance, folder: Path) -> list[Path]:
    """Writes a Secondary Capture Image of each turntable view into a cleared `folder`."""
    return write_alone([make_view(view, provenance, number) for number, view in enumerate(views, 1)], folder)


def write_alone(made: list[SCImage], folder: Path) -> list[Path]:
    """Writes numbered files, and removes others of the folder."""
    for former in folder.glob("*.dcm"):
        former.unlink()
    return [write_dataset(folder / f"{number}.dcm", dataset) for number, dataset in enumerate(made, start=1)]


def make_view(view: View, provenance: Provenance, number: int) -> SCImage:
    """Builds the image of a view; its rows run to the viewer's right, its columns down."""
    orientation = letters(right_of(view.degrees)), "F"
    dataset = secondary_capture(view.rgb, provenance, TURNTABLE, number, list(orientation))
    where = f"Surfaces from {view.degrees} degrees, from the front towards the left"
    dataset.ImageComments = f"{where}. {NOT_FOR_DIAGNOSIS}."
    return dataset


def make_picture(picture: DrawnPicture, provenance: Provenance, number: int) -> SCImage:
    """Returns a picture, not yet written; the same input gives the same UIDs.

    The grid of a CT says where rows and columns run; of a radiograph its header says it, or nothing does.
    """
    series = provenance.series
    if isinstance(picture, ProjectionPicture):
        orientation, frame = stated_orientation(series), series.frames[0]
    else:
        orientation, frame = patient_orientation(grid_of(series)), nearest(series, picture.k)
    dataset = secondary_capture(picture.rgb, provenance, PICTURES, number, orientation)
    dataset.ImageComments = f"{picture.title}. {NOT_FOR_DIAGNOSIS}."
    dataset.SourceImageSequence = [reference(frame, series)]
    return dataset


def secondary_capture(
    rgb: Picture, provenance: Provenance, series: ResultSeries, number: int, orientation: list[str]
) -> SCImage:
    """Builds an image of RGB (rows, columns, 3) of a series.

    `orientation` gives the directions of rows and columns, empty if they are unknown.
    """
    dataset = SCImage(
        pixel_array=rgb,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=("L", "F"),
        study_instance_uid=provenance.series.study_instance_uid,
        **series.attributes(provenance, number),
    )
    dataset.PatientOrientation = orientation  # highdicom accepts one letter for each, if it is known
    complete(dataset, provenance)
    dataset.DateOfSecondaryCapture, dataset.TimeOfSecondaryCapture = provenance.day_and_hour
    if "Laterality" not in dataset:
        dataset.Laterality = ""  # type 2C (PS3.3 C.7.3.1): a picture may show both sides
    dataset.BurnedInAnnotation = "YES"
    return dataset


def patient_orientation(grid: Grid) -> list[str]:
    """Returns the directions of a slice's rows and columns, by the nearest of the patient's axes."""
    names = []
    for step in (grid.ijk_to_lps[:3, 0], grid.ijk_to_lps[:3, 1]):
        axis = int(abs(step).argmax())
        names.append(DIRECTIONS[axis][0 if step[axis] > 0 else 1])
    return names


def grid_of(series: Series) -> Grid:
    """Returns the grid of a series that was read."""
    if series.grid is None:
        raise UnsuitableError("expected a series on a grid, got one without", code="no_grid")
    return series.grid


def read_picture(path: Path) -> tuple[Picture, str]:
    """Reads RGB (rows, columns, 3) of a picture that Osteon wrote, and its description."""
    dataset = dcmread(path)
    return dataset.pixel_array, str(dataset.ImageComments)


def check_picture(path: Path, series: Series) -> ResultName:
    """Raises OutputError if the file cannot be read back, or is of another patient or study."""
    try:
        dataset = dcmread(path)
        complete = len(dataset.PixelData) >= dataset.Rows * dataset.Columns * 3
    except READ_ERRORS as error:
        raise unlike("a picture that can be read back", "one that cannot") from error
    if not complete:
        raise unlike("all pixels of a picture", "fewer")
    return checked(dataset, series)
