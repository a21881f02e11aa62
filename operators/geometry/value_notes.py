"""Codes and meanings of corrections of, and doubts about, the values of an image and what they show."""

from __future__ import annotations

from dataclasses import dataclass

LEFT_ALIGNED, HIGH_BIT, SIGNEDNESS = "left_aligned", "high_bit", "signedness"
INTERCEPT, RESCALE_TYPE, WINDOWED = "missing_intercept", "rescale_type", "windowed"
NOT_HOUNSFIELD, CONE_BEAM = "not_hounsfield", "cone_beam"
NO_SPACING, STRETCHED, WINDOW_IGNORED = "no_spacing", "stretched", "window_ignored"
LUT_IGNORED, POLARITY = "lut_ignored", "polarity"
GROWTH_PLATES, SIDE_CONTRADICTION = "growth_plates", "side_contradiction"
VALUE_MEANINGS = {
    LEFT_ALIGNED: "Values moved to the lowest bits",
    HIGH_BIT: "High Bit contradicts Bits Stored",
    SIGNEDNESS: "Values read as signed",
    INTERCEPT: "Rescale Intercept is missing",
    RESCALE_TYPE: "Unit of the values is not named",
    WINDOWED: "Values cut off by a window",
    NOT_HOUNSFIELD: "Values may not be Hounsfield units",
    CONE_BEAM: "Cone beam CT",
    NO_SPACING: "Size of the pixels is not known",
    STRETCHED: "Contrast chosen from the values",
    WINDOW_IGNORED: "Window of the header is not used",
    LUT_IGNORED: "Lookup table of the header is not used",
    POLARITY: "Header contradicts itself on black and white",
    GROWTH_PLATES: "Growth plates may be open",
    SIDE_CONTRADICTION: "Header contradicts itself on the side",
}


@dataclass(frozen=True)
class Note:
    """A correction of or a doubt about an image: `code` is a key of VALUE_MEANINGS, `text` a sentence."""

    code: str
    text: str
