"""Makes a small header for each original slice or radiograph: all that highdicom needs to know of a source
image.

A frame of a multi-frame instance is presented as a separate image; `source_references.py` replaces its UID.
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, SecondaryCaptureImageStorage
from pydicom.valuerep import DSfloat

from operators.dicom.elements.image_classes import CAPTURES_OF_FRAMES
from operators.dicom.headers.anatomy import directions
from operators.dicom.headers.series import Frame, Series
from operators.dicom.provenance.copied_attributes import EQUIPMENT
from operators.dicom.provenance.identity import REQUIRED_PERHAPS_EMPTY, derived_uid
from operators.geometry.volume import Grid

COPIED = ("Modality", "LossyImageCompression", "LossyImageCompressionRatio", "LossyImageCompressionMethod")
SAME_NUMBER = 0.01  # mm, or a direction cosine: the precision of two decimals (`geometry.py`)
# PS3.3 C.7.6.1.1.1: the directions of rows and columns, in bipeds
GRID_TOLERANCE = 0.01  # of a slice: below it a series counts as evenly spaced


def slice_headers(series: Series, header: Dataset, grid: Grid) -> list[Dataset]:
    """Returns a header for each frame of `series`, in its order; `header` is the series' own, decoded."""
    shared = _shared_header(series, header, grid)
    return [_slice_header(shared, frame) for frame in series.frames]


def placeholder_uid(frame: Frame) -> str:
    """Returns the instance UID, or a UID for the frame alone if one instance holds many frames."""
    if frame.frame_number is None:
        return frame.sop_instance_uid
    return str(derived_uid("frame", frame.sop_instance_uid, str(frame.frame_number)))


def _slice_header(shared: Dataset, frame: Frame) -> Dataset:
    header = Dataset()
    header.update(shared)
    header.SOPInstanceUID = placeholder_uid(frame)
    header.ImagePositionPatient = [DSfloat(x, auto_format=True) for x in frame.position_lps_mm]
    return header


def projection_header(series: Series, header: Dataset) -> Dataset:
    """Returns a radiograph's header, without any place in the patient; `header` is the series', decoded."""
    (frame,) = series.frames
    found = _common_header(series, header, SecondaryCaptureImageStorage)
    found.SOPInstanceUID = placeholder_uid(frame)
    found.Columns, found.Rows = series.columns, series.rows
    return found


def stated_orientation(series: Series) -> list[str]:
    """Towards what the rows and columns of a radiograph run, as its header says it; [] where it does not."""
    return list(directions((series.header,)))


def is_multi_frame(series: Series) -> bool:
    """Returns whether the images of a series are frames: several of an instance, or the only one of it."""
    return series.frames[0].frame_number is not None or series.sop_class_uid in CAPTURES_OF_FRAMES


def _common_header(series: Series, header: Dataset, one_of_many: str) -> Dataset:
    """Returns what all images of a series share; `one_of_many` is the class of one frame of several."""
    shared = Dataset()
    for keyword in (*EQUIPMENT, *COPIED):
        if keyword in header:
            shared[keyword] = header[keyword]
    for keyword in REQUIRED_PERHAPS_EMPTY:
        setattr(shared, keyword, "")
    shared.SOPClassUID = one_of_many if is_multi_frame(series) else series.sop_class_uid
    shared.StudyInstanceUID = series.study_instance_uid
    shared.SeriesInstanceUID = series.series_instance_uid
    return shared


def _shared_header(series: Series, header: Dataset, grid: Grid) -> Dataset:
    shared = _common_header(series, header, CTImageStorage)
    shared.FrameOfReferenceUID = frame_of_reference_uid(series, header, grid)
    shared.PositionReferenceIndicator = header.get("PositionReferenceIndicator") or ""
    shared.Columns, shared.Rows = grid.shape[:2]
    _add_geometry(shared, series, header, grid)
    return shared


def frame_of_reference_uid(series: Series, header: Dataset, grid: Grid) -> str:
    """Returns the source's own frame of reference UID, or a UID derived from the series."""
    given = grid.frame_of_reference_uid or header.get("FrameOfReferenceUID")
    return str(given or derived_uid("frame of reference", series.series_instance_uid))


def _add_geometry(shared: Dataset, series: Series, header: Dataset, grid: Grid) -> None:
    columns = grid.ijk_to_lps[:3, :3]
    spacing_mm = np.linalg.norm(columns[:, :2], axis=0)
    along_row, along_column = (columns[:, :2] / spacing_mm).T
    orientation = [*along_row.round(10), *along_column.round(10)]
    slice_mm = float(abs(np.cross(along_row, along_column) @ columns[:, 2]))
    shared.ImageOrientationPatient = _given(header, "ImageOrientationPatient", orientation)
    shared.PixelSpacing = _given(header, "PixelSpacing", list(spacing_mm[::-1]))
    shared.SliceThickness = header.get("SliceThickness") or DSfloat(slice_mm, auto_format=True)
    if all(abs(frame.k - round(frame.k)) < GRID_TOLERANCE for frame in series.frames):
        shared.SpacingBetweenSlices = DSfloat(slice_mm, auto_format=True)


def _given(header: Dataset, keyword: str, computed: list[float]) -> list[DSfloat]:
    """Returns the header's own numbers, with all their digits, if they agree with the grid."""
    own = header.get(keyword) or ()
    numbers = np.array(own, float)
    same = numbers.size == len(computed) and np.allclose(numbers, computed, SAME_NUMBER, SAME_NUMBER)
    return list(own) if same else _decimals(computed)


def _decimals(values: list[float]) -> list[DSfloat]:
    return [DSfloat(float(value), auto_format=True) for value in values]
