"""Writes pictures as DICOM secondary captures, for workstations that show no SEG."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from highdicom.sc import SCImage
from pydicom import dcmread
from pydicom.valuerep import DA, TM

from operators.dicom.atomic_file import write_whole
from operators.dicom.headers import READ_ERRORS
from operators.dicom.identity import copy_identity, decoded
from operators.dicom.markings import MANUFACTURER, NOT_FOR_DIAGNOSIS, Making, equipment, mark
from operators.dicom.result_check import ResultName, checked, unlike
from operators.dicom.series import Series
from operators.dicom.source_references import nearest, reference
from operators.errors import UnsuitableError
from operators.imaging.fracture_pictures import FracturePicture
from operators.imaging.volume import Grid

SERIES_NUMBER = 9700  # behind the report's
DIRECTIONS = (("L", "R"), ("P", "A"), ("H", "F"))  # PS3.3 C.7.6.1.1.1: along each axis of LPS, and against


def write_pictures(pictures: tuple[FracturePicture, ...], making: Making, folder: Path) -> list[Path]:
    """One Secondary Capture Image (PS3.3 A.8.1) for each, alone in `folder`; raises OutputError."""
    made = [make_picture(picture, making, number) for number, picture in enumerate(pictures, start=1)]
    for former in folder.glob("*.dcm"):
        former.unlink()
    return [
        write_whole(folder / f"{number}.dcm", partial(dataset.save_as, enforce_file_format=True))
        for number, dataset in enumerate(made, start=1)
    ]


def make_picture(picture: FracturePicture, making: Making, number: int) -> SCImage:
    """A picture, not yet written; the same input gives the same UIDs."""
    series = making.series
    header = decoded(series.header)
    own = {key: value for key, value in equipment(making).items() if key != "manufacturer"}
    dataset = SCImage(
        pixel_array=picture.rgb,
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        patient_orientation=patient_orientation(grid_of(series)),
        study_instance_uid=series.study_instance_uid,
        series_instance_uid=making.uid("picture series"),
        series_number=making.series_number(SERIES_NUMBER),
        series_description=making.description("pictures"),
        sop_instance_uid=making.uid("picture", str(number)),
        instance_number=number,
        manufacturer=MANUFACTURER,
        specific_character_set="ISO_IR 192",
        **own,
    )
    copy_identity(header, dataset)
    mark(dataset, making)
    day, hour = DA(making.made_at.date()), TM(making.made_at.time().replace(tzinfo=None))
    dataset.DateOfSecondaryCapture = dataset.ContentDate = dataset.SeriesDate = day
    dataset.TimeOfSecondaryCapture = dataset.ContentTime = dataset.SeriesTime = hour
    dataset.Laterality = ""  # type 2C (PS3.3 C.7.3.1): a slice may show both sides
    dataset.BurnedInAnnotation = "YES"
    dataset.ImageComments = f"{picture.title}. {NOT_FOR_DIAGNOSIS}."
    dataset.SourceImageSequence = [reference(nearest(series, picture.k), series)]
    return dataset


def patient_orientation(grid: Grid) -> tuple[str, str]:
    """Where rows and columns of a slice run, by the nearest of the patient's axes."""
    names = []
    for step in (grid.ijk_to_lps[:3, 0], grid.ijk_to_lps[:3, 1]):
        axis = int(abs(step).argmax())
        names.append(DIRECTIONS[axis][0 if step[axis] > 0 else 1])
    return names[0], names[1]


def grid_of(series: Series) -> Grid:
    """Of a series that was read."""
    if series.grid is None:
        raise UnsuitableError("expected a series on a grid, got one without", code="no_grid")
    return series.grid


def check_picture(path: Path, series: Series) -> ResultName:
    """Raises OutputError where the file cannot be read back, or is of another patient or study."""
    try:
        dataset = dcmread(path)
        complete = len(dataset.PixelData) >= dataset.Rows * dataset.Columns * 3
    except READ_ERRORS as error:
        raise unlike("a picture that can be read back", "one that cannot") from error
    if not complete:
        raise unlike("all pixels of a picture", "fewer")
    return checked(dataset, series)
