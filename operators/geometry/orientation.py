"""Turns an array, axis by axis, to the directions that a network was trained in, without interpolation."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Grid

# Letters of directions: the axis of LPS, and whether along or against it
DIRECTIONS = {"L": (0, 1), "R": (0, -1), "P": (1, 1), "A": (1, -1), "S": (2, 1), "I": (2, -1)}


def is_orientation(letters: str) -> bool:
    """Returns whether three letters name one direction of each axis, such as LPS."""
    known = [DIRECTIONS[letter][0] for letter in letters if letter in DIRECTIONS]
    return len(letters) == 3 and sorted(known) == [0, 1, 2]


@dataclass(frozen=True)
class Turn:
    """The axes of the source in their new order, and which of the new axes are reversed."""

    axes: tuple[int, ...]
    backwards: tuple[bool, ...]

    def apply(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Returns a view of the array with turned axes."""
        steps = tuple(slice(None, None, -1 if back else None) for back in self.backwards)
        return array.transpose(self.axes)[steps]

    def undo(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        """Returns a view of a turned array with its original axes."""
        steps = tuple(slice(None, None, -1 if back else None) for back in self.backwards)
        return array[steps].transpose(tuple(int(axis) for axis in np.argsort(self.axes)))

    def reorder(self, values: tuple[float, ...]) -> tuple[float, ...]:
        """Returns values of the source's axes in the new order."""
        return tuple(values[axis] for axis in self.axes)


def turn_to(grid: Grid, orientation: str, transpose: tuple[int, ...] = (0, 1, 2)) -> Turn:
    """Returns the turn of an array on `grid` to (z, y, x) of `orientation`, then transposed.

    Oblique axes are assigned to the nearest direction.
    """
    columns = grid.ijk_to_lps[:3, :3] / np.linalg.norm(grid.ijk_to_lps[:3, :3], axis=0)
    wanted = [DIRECTIONS[letter] for letter in reversed(orientation)]
    wanted = [wanted[axis] for axis in transpose]
    cosines = np.array([[sign * columns[lps, axis] for axis in range(3)] for lps, sign in wanted])
    best = max(permutations(range(3)), key=lambda order: sum(abs(cosines[n, a]) for n, a in enumerate(order)))
    return Turn(best, tuple(bool(cosines[n, axis] < 0) for n, axis in enumerate(best)))
