"""The answer for a radiograph: the verdict with its probability, and what else the image shows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class Verdict(StrEnum):
    """What is said of an image at its operating point."""

    FRACTURE = "fracture"
    NO_FRACTURE = "no fracture"
    UNCERTAIN = "uncertain"


@dataclass(frozen=True)
class Recognised:
    """What a network recognised: a name, such as a body part or a view, and its probability."""

    name: str
    probability: float


@dataclass(frozen=True)
class FractureFinding:
    """One outlined fracture: the segment's `value`, and its calibrated probability (0 to 1, whole percent).

    `box` is row, column of the first pixel and one past the last; `area_mm2` is None without a spacing.
    """

    value: int
    probability: float
    box: tuple[int, int, int, int]
    area_pixels: int
    area_mm2: float | None


@dataclass(frozen=True, eq=False)
class RadiographAnswer:
    """The answer to one radiograph.

    `probability` that it shows a fracture is calibrated, in whole percent; `operating_point` names the
    setting, whose `threshold` decides between fracture and none; between `uncertain` (least, greatest) the
    verdict is uncertain. `laterality` is "left", "right", "both" or "unknown", from the header alone.
    `hardware` is the probability of metal. `heat_map` (rows, columns), 0 to 1, is only for a picture.
    """

    verdict: Verdict
    probability: float
    operating_point: str
    threshold: float
    uncertain: tuple[float, float]
    body_part: Recognised
    view: Recognised
    hardware: float
    laterality: str
    findings: tuple[FractureFinding, ...]
    heat_map: NDArray[np.float32]
