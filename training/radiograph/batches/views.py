"""Views of an image: rotated, scaled, mirrored, deformed windows, sampled by a single interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Floats = NDArray[np.float32]


class Orientation(NamedTuple):
    """How a view shows its image: 1 if so, 0 if not, NaN if that cannot be told, as in a small window."""

    upside_down: float
    mirrored: float


UNTOLD = Orientation(nan, nan)


@dataclass(frozen=True)
class View:
    """A window of `size` (rows, columns) of an image, with its centre, rotation and zoom.

    `centre` is x, y in pixels of the image; `zoom` is window pixels an image pixel, along and across;
    `shown` is what the network learns of the view.
    """

    centre: tuple[float, float]
    size: tuple[int, int]
    angle: float = 0.0
    zoom: tuple[float, float] = (1.0, 1.0)
    mirror: bool = False
    shown: Orientation = UNTOLD

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The matrix (2, 2) from window offsets to image offsets."""
        turn = np.array([[np.cos(self.angle), -np.sin(self.angle)], [np.sin(self.angle), np.cos(self.angle)]])
        return turn @ np.diag([(-1 if self.mirror else 1) / self.zoom[0], 1 / self.zoom[1]])

    def points(self, moved: Floats | None = None) -> Floats:
        """Returns each window pixel's x, y in the image, (rows, columns, 2); `moved` displaces them."""
        rows, columns = self.size
        y, x = np.mgrid[:rows, :columns].astype(np.float32)
        offsets = np.stack([x - (columns - 1) / 2, y - (rows - 1) / 2], -1)
        if moved is not None:
            offsets += moved
        return offsets @ self.matrix.T.astype(np.float32) + np.array(self.centre, np.float32)


def sample(planes: NDArray[np.uint8], points: Floats) -> Tensor:
    """Values of (C, rows, columns) planes at points, as (C, H, W) between 0 and 1; 0 outside."""
    rows, columns = planes.shape[1:]
    grid = (torch.from_numpy(points) * 2 + 1) / torch.tensor([columns, rows], dtype=torch.float32) - 1
    image = torch.from_numpy(planes)[None].float() / 255
    return functional.grid_sample(image, grid[None], mode="bilinear", align_corners=False)[0]
