"""Joins what is one scan although it came under several Series Instance UIDs.

Two pieces are one scan where all of this holds:

- study, patient, SOP class and modality are the same, and so is the frame of reference;
- each is a whole series by itself, on a grid;
- matrix, orientation and pixel spacing are the same, and image type, tube voltage, kernel, slice thickness
  and named body part are;
- all slices together lie on one straight, even grid with no two at one place, and no slice is missing where
  the pieces meet;
- one follows the other, or they lie between each other's slices and neither is complete by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from operators.dicom.acquisition import acquired_alike, complete_each_other
from operators.dicom.geometry import lay_out
from operators.dicom.kinds import by_kind
from operators.dicom.phases import SAME_POSITION_MM
from operators.dicom.planes import SeriesKey
from operators.dicom.splitting import Part, stack_of
from operators.imaging.volume import Grid

# The next piece begins at most so many slice spacings behind the end of the one before.
LONGEST_STEP = 1.5
# Pieces that lie between each other's slices are at least so much of a step apart.
BETWEEN = 0.1


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a series, and of which series."""

    key: SeriesKey
    part: Part


def join_pieces(pieces: Sequence[Piece]) -> list[Piece]:
    """The same, with those that are one scan made one under the key of the largest."""
    waiting = [piece for piece in pieces if _may_join(piece)]
    if len(waiting) < 2:
        return list(pieces)
    joined: list[Piece] = []
    for piece in sorted(waiting, key=_beginning):
        place = next((n for n, other in enumerate(joined) if _are_near(other, piece)), None)
        union = None if place is None else _union(joined[place], piece)
        if place is None or union is None:
            joined.append(piece)
        else:
            joined[place] = union
    return sorted([*(piece for piece in pieces if piece not in waiting), *joined], key=lambda each: each.key)


def _may_join(piece: Piece) -> bool:
    first = piece.part.planes[0]
    named = piece.key.study_instance_uid and piece.key.series_instance_uid and first.frame_of_reference_uid
    return bool(named) and not piece.part.label and piece.part.layout.grid is not None


def _grid(piece: Piece) -> Grid:
    grid = piece.part.layout.grid
    assert grid is not None
    return grid


def _extent_mm(grid: Grid) -> tuple[float, float, float]:
    """Where the first and the last slice lie along the normal, and the step between two."""
    i, j, k, origin = grid.ijk_to_lps[:3].T
    normal = np.cross(i, j) / np.linalg.norm(np.cross(i, j))
    first_mm, step_mm = float(origin @ normal), float(k @ normal)
    return first_mm, first_mm + (grid.shape[2] - 1) * step_mm, step_mm


def _beginning(piece: Piece) -> tuple[SeriesKey, float]:
    return replace(piece.key, series_instance_uid=""), _extent_mm(_grid(piece))[0]


def _are_near(one: Piece, other: Piece) -> bool:
    """A quick look before all slices are laid out together; `one` begins first."""
    first, second = _grid(one), _grid(other)
    if replace(one.key, series_instance_uid="") != replace(other.key, series_instance_uid=""):
        return False
    if (first.frame_of_reference_uid, first.shape[:2]) != (second.frame_of_reference_uid, second.shape[:2]):
        return False
    _, end_mm, step_mm = _extent_mm(first)
    behind = (_extent_mm(second)[0] - end_mm) / step_mm
    if behind > LONGEST_STEP or (behind <= 0 and abs(behind - round(behind)) < BETWEEN):
        return False
    planes = one.part.planes[0], other.part.planes[0]
    return len(by_kind(planes)) == 1 and acquired_alike(*planes)


def _union(one: Piece, other: Piece) -> Piece | None:
    """Both as one; None where they are not one scan."""
    planes = (*one.part.planes, *other.part.planes)
    stack = stack_of(planes)
    if np.diff(np.sort(stack.depths_mm)).min() <= SAME_POSITION_MM:
        return None
    layout = lay_out(stack)
    if layout.fault or layout.aside or not np.allclose(layout.k, np.rint(layout.k)):
        return None
    place = dict(zip(layout.kept, layout.k, strict=True))
    first = sorted(place[n] for n in range(len(one.part.planes)))
    second = sorted(place[n] for n in range(len(one.part.planes), len(planes)))
    depths = dict(zip(map(id, planes), stack.depths_mm.tolist(), strict=True))
    follows = second[0] - first[-1] == 1
    if not follows and not complete_each_other(
        (one.part.planes, other.part.planes), lambda plane: depths[id(plane)]
    ):
        return None
    larger = max(one, other, key=lambda each: (len(each.part.planes), each.key))
    return Piece(larger.key, Part(planes, layout, "", _told(one, other, layout.warnings)))


def _told(one: Piece, other: Piece, warnings: tuple[str, ...]) -> tuple[str, ...]:
    uids = {plane.origin.key.series_instance_uid for each in (one, other) for plane in each.part.planes}
    own = [text for each in (one, other) for text in each.part.warnings if "Series Instance UIDs" not in text]
    text = f"one scan under {len(uids)} Series Instance UIDs, read as one: {', '.join(sorted(uids))}"
    return tuple(dict.fromkeys((text, *own, *warnings)))
