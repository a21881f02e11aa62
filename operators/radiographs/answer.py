"""The answer for a radiograph from the networks' output: verdict, findings, body part, flags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from operators.geometry.projection import Projection
from operators.packages.confidence import log_odds, stated_probability
from operators.packages.operating_points import threshold_of
from operators.packages.radiograph import RadiographDecision, RadiographPackage
from operators.radiographs.canvas import resized
from operators.radiographs.detections import Decoding, Detection, detections
from operators.segmentation.radiograph_answer import FractureFinding, RadiographAnswer, Recognised, Verdict

Floats = NDArray[np.float32]
# An attribute of a lower probability is not recognised
LIKELY = 0.5
OTHER = "other"
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class RadiographOutput:
    """The output averaged over folds and mirror images, for an image at the size of the training images.

    `probabilities` (rows, columns) of a fracture, `logit` of the image, `attributes` in the package's order
    (0 to 1), `distance` from the training images (1 is typical).
    """

    probabilities: Floats
    logit: float
    attributes: tuple[float, ...]
    distance: float


@dataclass(frozen=True, eq=False)
class Outline:
    """A finding on the image's own pixels: its box, its mask within it, and its calibrated probability."""

    box: tuple[slice, slice]
    inside: NDArray[np.bool_]
    probability: float


def outlines(found: RadiographOutput, shape: tuple[int, int], decision: RadiographDecision) -> list[Outline]:
    """Returns the findings of an image of `shape`, most probable first; none has a probability below 0.5."""
    made = []
    for each in detections(found.probabilities, decoding_of(decision)):
        probability = stated_probability(decision.finding, log_odds(each.score))
        assert probability is not None
        if probability >= LIKELY:
            box, inside = on_image(each, shape)
            made.append(Outline(box, inside, probability))
    return sorted(made, key=lambda each: -each.probability)


def decoding_of(decision: RadiographDecision) -> Decoding:
    """Returns how the map of a package's networks is decoded."""
    return Decoding(
        decision.outline_threshold, decision.outline_share, decision.least_pixels, decision.outline_dilation
    )


def on_image(found: Detection, shape: tuple[int, int]) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """Returns the box in an image of `shape` of a detection on a smaller map, and its mask within it."""
    if shape == found.mask.shape:
        return found.box, found.mask[found.box]
    around = tuple(
        slice(max(side.start - 1, 0), min(side.stop + 1, n))
        for side, n in zip(found.box, found.mask.shape, strict=True)
    )
    zoom = [n / m for n, m in zip(shape, found.mask.shape, strict=True)]
    edges = [(round(s.start * z), round(s.stop * z)) for s, z in zip(around, zoom, strict=True)]
    size = (edges[0][1] - edges[0][0], edges[1][1] - edges[1][0])
    inside = resized(found.mask[around].astype(np.float32), size) >= LIKELY
    return (slice(*edges[0]), slice(*edges[1])), inside


def answer(
    image: Projection,
    found: RadiographOutput,
    made: Sequence[Outline],
    package: RadiographPackage,
    point: str,
) -> RadiographAnswer:
    """Returns the answer at an operating point; the outlines `made` become findings 1, 2, ..."""
    decision = package.decision
    probability = stated_probability(decision.image, found.logit)
    assert probability is not None
    threshold = threshold_of(decision.operating_points, point)
    # Rounded, since a sum such as 0.35 + 0.06 is not the decimal number that a report should show
    uncertain = (
        max(round(threshold - decision.margin, 6), 0.0),
        min(round(threshold + decision.margin, 6), 1.0),
    )
    recognised = dict(zip(package.attributes, found.attributes, strict=True))
    return RadiographAnswer(
        verdict=verdict(probability, threshold, uncertain, outlined=bool(made)),
        probability=probability,
        operating_point=point,
        threshold=threshold,
        uncertain=uncertain,
        body_part=likeliest(recognised, tuple(package.body_parts), OTHER),
        view=likeliest(recognised, package.views, UNKNOWN),
        hardware=round(recognised.get("hardware", 0.0), 2),
        laterality=image.laterality or UNKNOWN,
        findings=tuple(finding(n, each, image) for n, each in enumerate(made, 1)),
        heat_map=found.probabilities,
    )


def verdict(
    probability: float, threshold: float, uncertain: tuple[float, float], *, outlined: bool = False
) -> Verdict:
    """Returns the verdict for a probability; where a finding is `outlined`, fractures are never denied."""
    if uncertain[0] < probability < uncertain[1]:
        return Verdict.UNCERTAIN
    if probability >= threshold:
        return Verdict.FRACTURE
    return Verdict.UNCERTAIN if outlined else Verdict.NO_FRACTURE


def likeliest(recognised: Mapping[str, float], names: Sequence[str], nothing: str) -> Recognised:
    """Returns the most probable of some attributes; `nothing` if none is likely, or none is known."""
    if not names:
        return Recognised(nothing, 0.0)
    name = max(names, key=lambda each: recognised[each])
    if recognised[name] < LIKELY:
        return Recognised(nothing, round(1 - recognised[name], 2))
    return Recognised(name, round(recognised[name], 2))


def finding(value: int, outline: Outline, image: Projection) -> FractureFinding:
    """Returns a finding with its size."""
    rows, columns = outline.box
    there = np.nonzero(outline.inside.any(1))[0], np.nonzero(outline.inside.any(0))[0]
    pixels = int(outline.inside.sum())
    return FractureFinding(
        value=value,
        probability=outline.probability,
        box=(
            rows.start + int(there[0][0]),
            columns.start + int(there[1][0]),
            rows.start + int(there[0][-1]) + 1,
            columns.start + int(there[1][-1]) + 1,
        ),
        area_pixels=pixels,
        area_mm2=round(pixels * image.spacing.pixel_area_mm2, 1) if image.spacing else None,
    )


def sigmoids(logits: Floats) -> Floats:
    """Returns the probabilities of log-odds."""
    return special.expit(logits).astype(np.float32)
