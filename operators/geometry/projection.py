"""Radiographs: projections onto a detector, without a place in patient space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from operators.geometry.value_notes import Note
from operators.geometry.volume import CtVolume, Grid, read_only

Plane = Literal["patient", "detector"]


@dataclass(frozen=True)
class ProjectionSpacing:
    """Distances between pixel centres, in mm, and where they hold.

    `plane` is "patient" where the distances were calibrated to the object (PixelSpacing, or
    ImagerPixelSpacing divided by EstimatedRadiographicMagnificationFactor), "detector" where they are those
    of the detector (ImagerPixelSpacing), on which everything looks larger than it is. `source` names the
    attributes. Source: PS3.3 10.7.1.3.
    """

    between_rows_mm: float
    between_columns_mm: float
    plane: Plane
    source: str

    @property
    def pixel_area_mm2(self) -> float:
        """The area of one pixel."""
        return self.between_rows_mm * self.between_columns_mm


@dataclass(frozen=True, eq=False)
class Projection:
    """A radiograph: `grey` (rows, columns) float32 from 0 to 1, bone brighter than soft tissue and air.

    `spacing` is None where the image does not say how large its pixels are; lengths and areas are then in
    pixels. `laterality` is "left", "right", "both", or "" where the header says nothing; `view` is
    ViewPosition or what ViewCodeSequence means, `body_part` as in Series, "" likewise. `notes` say what is
    doubtful of the values. `procedure` is free text, which is compared with terms and never shown.
    `directions` are those of rows and columns, such as L and F, () where the header says nothing of them.
    """

    reads: ClassVar[str] = "projection"

    grey: NDArray[np.float32]
    spacing: ProjectionSpacing | None = None
    laterality: str = ""
    view: str = ""
    body_part: str = ""
    notes: tuple[Note, ...] = ()
    procedure: str = ""
    directions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.grey.ndim != 2:
            raise ValueError(f"expected an array of rows and columns, got {self.grey.shape}")
        object.__setattr__(self, "grey", read_only(self.grey))

    @property
    def grid(self) -> Grid:
        """The grid of label maps: (columns, rows, 1), in pixels where no spacing is known."""
        return projection_grid(self.grey.shape[0], self.grey.shape[1], self.spacing)


def projection_grid(rows: int, columns: int, spacing: ProjectionSpacing | None) -> Grid:
    """Returns a grid (columns, rows, 1) that begins at the origin; its third axis has a length of 1."""
    steps = (spacing.between_columns_mm, spacing.between_rows_mm) if spacing else (1.0, 1.0)
    return Grid((columns, rows, 1), np.diag([*steps, 1.0, 1.0]))


Image = CtVolume | Projection
