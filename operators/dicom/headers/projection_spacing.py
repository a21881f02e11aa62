"""How large the pixels of a radiograph are, and in which plane (PS3.3 10.7.1.3, C.8.11.4, C.8.6.2)."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from operators.dicom.elements.attributes import code_string, decimal, decimals
from operators.errors import UnreadableError
from operators.geometry.projection import Plane, ProjectionSpacing
from operators.geometry.value_notes import NO_SPACING, Note

# Pixels of detectors and of scanners of films are 0.02 to 0.4 mm, a thumbnail's a few millimetres
LEAST_MM, MOST_MM = 1e-3, 10.0
# Two decimal strings of one number, with fewer digits in one of them
EQUAL_SHARE = 1e-3
# The object lies between source and detector: the factor is 1 on the detector, and 2 in the middle. Beyond 4
# it is no radiograph of a human body, and below 1 no projection
LEAST_FACTOR, MOST_FACTOR = 1.0, 4.0
# PS3.3 10.7.1.2, Pixel Spacing Calibration Type: corrected by an object of known size, or by known distances
CALIBRATED = ("FIDUCIAL", "GEOMETRY")

Pair = tuple[float, float]


def projection_spacing(header: Dataset) -> tuple[ProjectionSpacing | None, tuple[Note, ...]]:
    """Returns the distance between pixels and a note where it is not known.

    | the header has | plane |
    | --- | --- |
    | PixelSpacing, calibrated or other than that of the detector | patient |
    | that of the detector, and EstimatedRadiographicMagnificationFactor | patient, divided by the factor |
    | that of the detector, or PixelSpacing alone without a type of calibration | detector |

    That of the detector is ImagerPixelSpacing; NominalScannedPixelSpacing, on a film, stands for it. An equal
    PixelSpacing says nothing more, whatever its type.
    """
    bad: list[str] = []
    pixel = _pair(header, "PixelSpacing", bad)
    name = "ImagerPixelSpacing"
    on_detector = _pair(header, name, bad)
    if on_detector is None:
        name = "NominalScannedPixelSpacing"
        on_detector = _pair(header, name, bad)
    if pixel is not None and not (on_detector and _equal(pixel, on_detector)):
        calibrated = code_string((header,), "PixelSpacingCalibrationType") in CALIBRATED
        plane: Plane = "patient" if calibrated or on_detector else "detector"
        return ProjectionSpacing(*pixel, plane, "PixelSpacing"), ()
    if on_detector is None:
        return None, (_unknown(bad),)
    factor = _factor(header)
    if factor is None:
        return ProjectionSpacing(*on_detector, "detector", name), ()
    rows_mm, columns_mm = on_detector[0] / factor, on_detector[1] / factor
    source = f"{name}, EstimatedRadiographicMagnificationFactor"
    return ProjectionSpacing(rows_mm, columns_mm, "patient", source), ()


def _unknown(bad: Sequence[str]) -> Note:
    why = f"{', '.join(bad)} cannot be used" if bad else "no attribute states it"
    return Note(NO_SPACING, f"The pixel size is unknown, as {why}: lengths are in pixels.")


def _pair(header: Dataset, keyword: str, bad: list[str]) -> Pair | None:
    """Returns the distances between rows and between columns; one that no image has is named in `bad`."""
    try:
        found = decimals((header,), keyword, 2)
    except UnreadableError:
        found = (0.0, 0.0)
    if found is None:
        return None
    rows_mm, columns_mm = found
    if min(found) < LEAST_MM or max(found) > MOST_MM:
        bad.append(keyword)
        return None
    return rows_mm, columns_mm


def _equal(one: Pair, other: Pair) -> bool:
    return all(abs(a - b) <= EQUAL_SHARE * b for a, b in zip(one, other, strict=True))


def _factor(header: Dataset) -> float | None:
    try:
        factor = decimal((header,), "EstimatedRadiographicMagnificationFactor")
    except UnreadableError:
        return None
    return factor if factor is not None and LEAST_FACTOR <= factor <= MOST_FACTOR else None
