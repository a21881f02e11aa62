"""A package of radiographs: networks that segment fractures and classify the image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from pydantic import Field, with_config

from operators.packages.operating_points import BALANCED
from operators.packages.packages import ModelPackage, NetworkSpec
from operators.packages.structures import Code, Share
from operators.packages.toml_files import STRICT

# Findings are counted in a byte
MOST_FINDINGS = 255
# A higher score is never less probable
Rising = Annotated[float, Field(ge=0)]


@with_config(STRICT)
@dataclass(frozen=True)
class RadiographDecision:
    """How the networks' output becomes an answer; all numbers are fitted on images that training never saw.

    `image` and `finding`: constant and factor (Platt 1999) from log-odds to the probability that an image
    shows a fracture, and that a detection is one. A detection is a connected component of the map above
    `outline_threshold` and above `outline_share` of its own highest value, of at least `least_pixels` of the
    network's canvas, dilated by `outline_dilation` of them. `operating_points` are thresholds of the image's
    probability by name; a probability within `margin` of the threshold is uncertain. An image whose features
    are farther from those of the training images than `typical_distance` is of another kind. `fitted_on`
    names the images.
    """

    image: tuple[float, Rising]
    finding: tuple[float, Rising]
    outline_threshold: Share
    outline_share: Share
    least_pixels: int
    operating_points: dict[str, Share]
    margin: Share
    typical_distance: float
    fitted_on: str = ""
    outline_dilation: int = 0


@dataclass(frozen=True)
class RadiographPackage(ModelPackage):
    """Radiographs: `folds` are networks whose outputs are averaged; they read a canvas of their `patch`.

    `attributes` names what the networks recognise, in the order of their outputs; `body_parts` (each with its
    code) and `views` are subsets of it. `body_part_terms` are the terms by which headers name a body part,
    `other_body_part_terms` those of body parts that the networks do not know.
    `either_way_up` are the body parts that are shown with the head's end at the top or at the bottom.
    `mirrored`: outputs are averaged over the four mirror images.
    """

    kind: ClassVar[str] = "radiograph"
    reads: ClassVar[str] = "projection"

    folds: tuple[NetworkSpec, ...]
    decision: RadiographDecision
    attributes: tuple[str, ...]
    body_parts: dict[str, Code]
    views: tuple[str, ...]
    body_part_terms: dict[str, tuple[str, ...]] = field(default_factory=dict)
    other_body_part_terms: tuple[str, ...] = ()
    either_way_up: tuple[str, ...] = ()
    mirrored: bool = True
    operating_point: str = field(default=BALANCED, kw_only=True)

    @property
    def highest_value(self) -> int:
        """See ModelPackage."""
        return MOST_FINDINGS

    @property
    def networks(self) -> tuple[NetworkSpec, ...]:
        """See ModelPackage."""
        return self.folds
