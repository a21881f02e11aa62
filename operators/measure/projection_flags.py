"""Flags for what may be wrong with the answer for a radiograph, and their meanings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from operators.geometry.projection import Projection, ProjectionSpacing
from operators.geometry.value_notes import NO_SPACING
from operators.radiographs.answer_flags import (
    CONTRADICTION,
    HARDWARE,
    MIRRORED,
    ON_ITS_SIDE,
    OTHER_BODY_PART,
    OTHER_IMAGE_KIND,
    SEVERAL_EXPOSURES,
    UPSIDE_DOWN,
)
from operators.segmentation.segmentation import Flag, Segmentation

UNKNOWN_SPACING, DETECTOR_SPACING = "unknown_spacing", "detector_spacing"
PROJECTION_MEANINGS = {
    OTHER_BODY_PART: "Body part outside the training",
    CONTRADICTION: "Header names another body part",
    OTHER_IMAGE_KIND: "Unlike the training images",
    HARDWARE: "Metal in the image",
    UNKNOWN_SPACING: "Size of the pixels is not known",
    DETECTOR_SPACING: "Sizes hold on the detector",
    SEVERAL_EXPOSURES: "Several exposures in one image",
    UPSIDE_DOWN: "Image seems to be upside down",
    ON_ITS_SIDE: "Image lies on its side",
    MIRRORED: "Image seems to be mirrored",
}


def measure_and_flag(projection: Projection, segmentation: Segmentation) -> Segmentation:
    """Returns the segmentation with the flags of its pipeline, of the image's notes and of its spacing.

    A flag of a code that the pipeline gave is not given again. The findings are measured in the answer.
    """
    values = tuple(segment.value for segment in segmentation.segments)
    found = {flag.code: flag for flag in segmentation.flags}
    own = [Flag(note.code, note.text, values) for note in projection.notes]
    if all(note.code != NO_SPACING for note in projection.notes):
        own += (Flag(code, text, values) for code, text in spacing_flags(projection.spacing))
    new = {flag.code: flag for flag in own if flag.code not in found}
    return replace(segmentation, flags=(*segmentation.flags, *new.values()))


def spacing_flags(spacing: ProjectionSpacing | None) -> Iterator[tuple[str, str]]:
    """Code and sentence of what sizes do not say of the patient; nothing where they are calibrated."""
    if spacing is None:
        yield UNKNOWN_SPACING, "The image does not say how large its pixels are: sizes are in pixels."
    elif spacing.plane == "detector":
        text = "Sizes hold on the detector, on which everything looks larger than it is in the patient."
        yield DETECTOR_SPACING, text
