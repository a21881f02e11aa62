"""Grey of stored values as a header says: Modality LUT, VOI LUT, then presentation (PS3.3 C.11, PS3.4 N.2).

Everything is done to the levels of an image, not to its pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from operators.dicom.elements.attributes import code_string, decimal_point, hint, values
from operators.dicom.headers.series import StoredPixels
from operators.dicom.pixels.lookup_tables import lookup_table
from operators.errors import UnreadableError
from operators.geometry.value_notes import LUT_IGNORED, POLARITY, STRETCHED, WINDOW_IGNORED, Note
from operators.intensities.grey_levels import GreyLevels, Response, is_flat, stretched, unchanged

Array = NDArray[np.float64]

# A picture of 8 bits is ready to be shown, and its values are grey
SHOWN_BITS = 8
WINDOW_FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, eq=False)
class Presented:
    """Grey (N,) from 0 to 1 of each level, bone bright, and what is doubtful of it."""

    grey: Array
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class Modality:
    """Values (N,) behind the Modality LUT, and the range that stored values can take there."""

    values: Array
    low: float
    high: float
    notes: tuple[Note, ...] = ()


def present(levels: GreyLevels, pixels: StoredPixels, header: Dataset) -> Presented:
    """Returns each level's grey by one of two paths: of a detector's values, or of an image to be shown."""
    if is_for_processing(header):
        return _of_detector(levels, pixels, header)
    return _of_presentation(levels, pixels, header)


def is_for_processing(header: Dataset) -> bool:
    """Returns whether values are those of a detector, which nobody is meant to look at (PS3.3 C.8.11.1)."""
    intent = hint((header,), "PresentationIntentType").upper()
    of_class = hint((header,), "SOPClassUID") == DigitalXRayImageStorageForProcessing
    return intent == "FOR PROCESSING" or (of_class and intent != "FOR PRESENTATION")


def _of_detector(levels: GreyLevels, pixels: StoredPixels, header: Dataset) -> Presented:
    """Stored values, made logarithmic where they are those of the intensity itself, then stretched.

    PixelIntensityRelationship and its sign say what stored values mean (PS3.3 C.8.11.3.1.2): with +1 bone,
    which takes intensity away, is low. Where the sign is missing the photometric interpretation decides.
    """
    text = "Values are those of the detector: the contrast is chosen from the values."
    grey = response_of(pixels, header)(levels.values.astype(np.float64))
    return Presented(stretched(grey, levels), (Note(STRETCHED, text),))


def response_of(pixels: StoredPixels, header: Dataset) -> Response:
    """Returns what makes of a detector's stored values what looks like an image; else `unchanged`."""
    if not is_for_processing(header):
        return unchanged
    sign = -1 if _bone_is_low(pixels, header) else 1
    if code_string((header,), "PixelIntensityRelationship") != "LIN":
        return lambda stored: sign * stored
    low, high = _stored_range(pixels)
    dark = low if sign < 0 else high
    return lambda stored: -np.log(np.maximum(np.abs(stored - dark), 1.0))


def _bone_is_low(pixels: StoredPixels, header: Dataset) -> bool:
    sign = hint((header,), "PixelIntensityRelationshipSign")
    try:
        return int(float(sign)) > 0
    except (ValueError, OverflowError):
        return _inverted(pixels, header)[0]


def _of_presentation(levels: GreyLevels, pixels: StoredPixels, header: Dataset) -> Presented:
    modality = _modality(levels, pixels, header)
    notes = list(modality.notes)
    grey = _windowed(modality, pixels, header, notes)
    given = grey is not None
    # Values without a window may be grey already (PS3.3 C.11.6: P-values)
    shaped = bool(code_string((header,), "PresentationLUTShape"))
    if grey is None and (shaped or pixels.bits_stored <= SHOWN_BITS):
        grey = (modality.values - modality.low) / (modality.high - modality.low)
    if grey is None or is_flat(np.clip(grey, 0, 1), levels):
        grey = stretched(modality.values, levels)
        notes.append(_stretched_note(given))
    inverted, contradiction = _inverted(pixels, header)
    grey = np.clip(grey, 0.0, 1.0)
    return Presented(1 - grey if inverted else grey, (*notes, *contradiction))


def _stretched_note(given: bool) -> Note:
    if given:
        text = "The window of the header shows next to nothing: the contrast is chosen from the values."
        return Note(WINDOW_IGNORED, text)
    return Note(STRETCHED, "The header has no usable window: the contrast is chosen from the values.")


def _modality(levels: GreyLevels, pixels: StoredPixels, header: Dataset) -> Modality:
    """ModalityLUTSequence, or RescaleSlope and RescaleIntercept, which exclude each other (PS3.3 C.11.1)."""
    stored, notes = levels.values.astype(np.float64), []
    try:
        table = lookup_table(header, "ModalityLUTSequence", signed=pixels.signed)
        if table is not None:
            return Modality(table.look_up(stored), 0.0, float(table.highest))
    except UnreadableError as error:
        notes.append(Note(LUT_IGNORED, f"ModalityLUTSequence is not used: {error}."))
    ends = [end * pixels.slope + pixels.intercept for end in _stored_range(pixels)]
    return Modality(stored * pixels.slope + pixels.intercept, min(ends), max(ends), tuple(notes))


def _stored_range(pixels: StoredPixels) -> tuple[float, float]:
    """Returns the lowest and the highest value that so many bits hold."""
    top = float(1 << (pixels.bits_stored - 1 if pixels.signed else pixels.bits_stored))
    return (-top, top - 1) if pixels.signed else (0.0, top - 1)


def _windowed(modality: Modality, pixels: StoredPixels, header: Dataset, notes: list[Note]) -> Array | None:
    """VOILUTSequence, which is the more exact, else a window; of several the first (PS3.3 C.11.2)."""
    signed = pixels.signed or modality.low < 0
    try:
        table = lookup_table(header, "VOILUTSequence", signed=signed)
        if table is not None:
            return table.look_up(modality.values) / table.highest
    except UnreadableError as error:
        notes.append(Note(LUT_IGNORED, f"VOILUTSequence is not used: {error}."))
    try:
        window = _first(header, "WindowCenter"), _first(header, "WindowWidth")
    except UnreadableError as error:
        notes.append(Note(WINDOW_IGNORED, f"The window of the header is not used: {error}."))
        return None
    if None in window:
        return None
    function = code_string((header,), "VOILUTFunction") or WINDOW_FUNCTIONS[0]
    return _by_function(modality.values, *window, function, notes)  # type: ignore[arg-type]


def _first(header: Dataset, keyword: str) -> float | None:
    """Returns the first of several numbers. Raises UnreadableError."""
    found = values((header,), keyword)
    if not found:
        return None
    try:
        number = float(decimal_point(str(found[0])))
    except ValueError:
        number = math.nan
    if not abs(number) < 1e9:
        raise UnreadableError(f"expected numbers in {keyword}, got something else")
    return number


def _by_function(
    inputs: Array, centre: float, width: float, function: str, notes: list[Note]
) -> Array | None:
    """Returns the functions of PS3.3 C.11.2.1.2 and C.11.2.1.3; another one counts as LINEAR."""
    least = 1.0 if function not in WINDOW_FUNCTIONS[1:] else np.finfo(np.float32).tiny
    if width < least:
        text = f"The window of the header is not used: expected a width from {least:.3g} on, got {width:g}."
        notes.append(Note(WINDOW_IGNORED, text))
        return None
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (inputs - centre) / width, -500, 500))))
    if function == "LINEAR_EXACT":
        return (inputs - centre) / width + 0.5
    if width == 1:
        return np.where(inputs <= centre - 0.5, 0.0, 1.0)
    return (inputs - (centre - 0.5)) / (width - 1) + 0.5


def _inverted(pixels: StoredPixels, header: Dataset) -> tuple[bool, tuple[Note, ...]]:
    """Returns whether the lowest value is white, and a note where two attributes do not agree on it.

    MONOCHROME1 and the shape INVERSE say the same and do not cancel each other: the standard asks for both
    together (PS3.3 C.8.11.3). Where they do not agree the photometric interpretation is taken, which says
    what is intended (C.7.6.3.1.2): devices are known that write a wrong shape.
    """
    first = pixels.photometric == "MONOCHROME1"
    shape = code_string((header,), "PresentationLUTShape")
    if shape in ("IDENTITY", "INVERSE") and first != (shape == "INVERSE"):
        text = f"{pixels.photometric} contradicts the PresentationLUTShape {shape}: the former is taken."
        return first, (Note(POLARITY, text),)
    return first, ()
