"""Scans of the panel with their ground truth: real ones without a known fracture, and simulated ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import CtVolume, Grid, LabelMap
from training.ct_files import read_ct
from training.phantoms import boneless_ct, phantom_ct
from training.phantoms.fractures import FRACTURES, jittered

# Seeds here are pairs of numbers, which differ from training's single numbers (numpy's SeedSequence)
SEED = 907
SPACING_MM = (1.0, 1.0, 1.0)


@dataclass(frozen=True, eq=False)
class Scan:
    """A CT and its ground truth on the same grid."""

    ct: CtVolume
    truth: LabelMap

    @property
    def grid(self) -> Grid:
        """Returns the grid of both."""
        return self.ct.grid


def scan_of(hu: NDArray[Any], labels: NDArray[Any], grid: Grid) -> Scan:
    """Builds a scan from arrays on one grid."""
    return Scan(CtVolume(hu, grid), LabelMap(labels, grid))


def axis_along(grid: Grid, direction: int) -> tuple[int, bool]:
    """Returns the array axis closest to x, y or z (0, 1, 2), and whether it runs in the same direction."""
    along = grid.ijk_to_lps[direction, :3] / np.array(grid.spacing_mm)
    axis = int(np.argmax(np.abs(along)))
    return axis, bool(along[axis] > 0)


def intact_scans(data: Path, paths: Sequence[str]) -> dict[str, Callable[[], Scan]]:
    """Returns the scans by name; `paths` are below `data`."""
    return {Path(path).name.split(".")[0]: partial(intact_scan, data / path) for path in paths}


def intact_scan(path: Path) -> Scan:
    """Reads a CT without ground truth: nobody outlined its bones, or it shows none of them."""
    return without_truth(read_ct(path))


def without_truth(ct: CtVolume) -> Scan:
    """Returns a CT with an empty ground truth."""
    return Scan(ct, LabelMap(np.zeros(ct.grid.shape, np.uint8), ct.grid))


def simulated_scan(name: str) -> Scan:
    """Draws the CT with the fractures of that name, shifted by a few mm."""
    rng = np.random.default_rng((SEED, list(FRACTURES).index(name)))
    made = phantom_ct(rng, SPACING_MM, jittered(FRACTURES[name], rng))
    return Scan(made.ct, made.truth)


def boneless_scan(number: int) -> Scan:
    """Draws a body in which muscle replaces every bone; its ground truth is empty."""
    rng = np.random.default_rng((SEED, len(FRACTURES) + number))
    return without_truth(boneless_ct(rng))
