"""Says in plain words what was measured of a vertebral body."""

from __future__ import annotations

from collections.abc import Mapping

from operators.packages.confidence import percent
from operators.segmentation.measurements import (
    BodyHeights,
    CobbAngle,
    HeightLoss,
    Measured,
    NotMeasurable,
    VertebralBody,
)

# The loss of height from which a body is called fractured, by Genant's grade: 2 begins at 25 %
FRACTURED = 2
# The median below which trabecular bone is called osteoporotic, and what contrast medium adds to it, as in
# TotalSegmentator's report (July 2026)
LOW_HU = 90.25
CONTRAST_HU = {"without contrast medium": 0.0, "portal venous": 14.75, "arterial": 20.0}


def is_compressed(body: VertebralBody | None) -> bool:
    """Returns whether a body lost so much height that it is called fractured."""
    return body is not None and isinstance(body.loss, HeightLoss) and body.loss.grade >= FRACTURED


def body_words(body: VertebralBody | None, names: Mapping[int, str]) -> str:
    """Returns what was measured of a body, to add to a sentence; `names` of bones by segments' values."""
    if body is None:
        return ""
    found = (
        heights_words(body.heights_mm),
        loss_words(body.loss),
        density_words(body.trabecular_hu),
        curve_words(body.curve, names),
    )
    return "".join(f"; {words}" for words in found if words)


def curve_words(curve: CobbAngle | None, names: Mapping[int, str]) -> str:
    """Returns the curve of a row in words; nothing but at its upper end."""
    if curve is None:
        return ""
    error = f" ± {curve.angle_deg.uncertainty:.0f}" if curve.angle_deg.uncertainty else ""
    return f"Cobb angle to {names.get(curve.lower, 'another bone')} {curve.angle_deg.value:.0f}{error}°"


def heights_words(heights: BodyHeights | NotMeasurable | None) -> str:
    """Returns the heights of a vertebral body in words."""
    if isinstance(heights, BodyHeights):
        three = (heights.anterior, heights.middle, heights.posterior)
        return f"heights {', '.join(f'{each.value:.1f}' for each in three)} mm (front, middle, back)"
    return f"heights: not measurable, {heights.reason}" if heights else ""


def loss_words(loss: HeightLoss | NotMeasurable | None) -> str:
    """Returns the loss of height in words, from 20 % on; below 25 % it is uncertain (see GRADES)."""
    if not isinstance(loss, HeightLoss) or not loss.grade:
        return ""
    doubt = ", uncertain" if loss.grade == 1 else ""
    return f"{percent(loss.share)} of height lost ({loss.form}, Genant grade {loss.grade}{doubt})"


def density_words(hu: Measured | NotMeasurable | None) -> str:
    """Returns the density in words, with the limits below which it is low."""
    if not isinstance(hu, Measured):
        return ""
    limits = "; ".join(f"{LOW_HU + more:.0f} {when}" for when, more in CONTRAST_HU.items())
    low = " (low)" if hu.value < LOW_HU else ""
    return f"trabecular {hu.value:.0f} HU{low}, opportunistic, not corrected for contrast: low below {limits}"
