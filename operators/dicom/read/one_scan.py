"""Joins the parts of one scan that are stored under several Series Instance UIDs.

Two pieces are one scan if all of this holds:

- study, patient, SOP class and modality are the same, and so is the frame of reference;
- each is a whole series by itself, on a grid, or all are single slices, a series each;
- matrix, orientation and pixel spacing are the same, and so are image type, tube voltage, kernel, slice
  thickness and named body part;
- all slices together lie on one straight, even grid, no two at one position, and no slice is missing where
  the pieces meet;
- one follows the other, or they lie between each other's slices and neither is complete by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from operators.dicom.headers.planes import Plane, SeriesKey
from operators.dicom.read.acquisition import OF_A_SCAN, acquired_alike, complete_each_other, value_of
from operators.dicom.read.frames_of_reference import even_layout
from operators.dicom.read.geometry import ONE_SLICE
from operators.dicom.read.kinds import by_kind, stack_of
from operators.dicom.read.splitting import SeriesPart
from operators.geometry.volume import Grid

# The next piece begins at most this many slice spacings after the end of the one before.
LONGEST_STEP = 1.5
# Fewer single slices may lie at even distances by chance.
FEWEST_SINGLES = 10
# The number of UIDs that a warning names.
NAMED_UIDS = 3
# Pieces that lie between each other's slices are at least this share of a step apart.
BETWEEN = 0.1


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a series, and the key of that series."""

    key: SeriesKey
    part: SeriesPart


def join_pieces(pieces: Sequence[Piece]) -> list[Piece]:
    """Joins the pieces that are one scan, under the key of the largest; returns the others unchanged."""
    if len(pieces) < 2:
        return list(pieces)
    pieces = _with_singles_joined(pieces)
    waiting = [piece for piece in pieces if _is_named(piece) and piece.part.layout.grid is not None]
    groups: dict[tuple[object, ...], list[Piece]] = {}
    for piece in waiting:
        groups.setdefault(_common(piece), []).append(piece)
    joined = [piece for group in groups.values() for piece in _joined(group)]
    settled = set(map(id, waiting))
    place = {id(piece): n for n, piece in enumerate(pieces)}
    found = [*(piece for piece in pieces if id(piece) not in settled), *joined]
    return sorted(found, key=lambda each: (each.key, place.get(id(each), 0)))


def _is_named(piece: Piece) -> bool:
    """Returns whether a piece is a whole series with study, series and frame of reference UIDs."""
    frame = piece.part.planes[0].frame_of_reference_uid
    known = piece.key.study_instance_uid and piece.key.series_instance_uid and frame
    return bool(known) and not piece.part.label


def _with_singles_joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Joins single slices that came as a series each, if they lie like those of one scan."""
    singles: dict[tuple[object, ...], list[Piece]] = {}
    for piece in pieces:
        if _is_named(piece) and piece.part.layout.fault == ONE_SLICE:
            (plane,) = piece.part.planes
            alike = tuple(value_of(plane, attribute) for attribute in OF_A_SCAN)
            key = replace(piece.key, series_instance_uid="")
            singles.setdefault((key, plane.frame_of_reference_uid, *alike), []).append(piece)
    joined: list[Piece] = []
    gone: set[int] = set()
    for group in singles.values():
        union = _union_of_singles(group)
        if union is not None:
            joined.append(union)
            gone.update(map(id, group))
    return [*(piece for piece in pieces if id(piece) not in gone), *joined]


def _union_of_singles(group: Sequence[Piece]) -> Piece | None:
    planes = tuple(plane for piece in group for plane in piece.part.planes)
    if len(planes) < FEWEST_SINGLES or len(by_kind(planes)) > 1:
        return None
    layout = even_layout(planes)
    if layout is None or layout.grid is None or layout.grid.shape[2] > len(planes):
        return None
    key = min(piece.key for piece in group)
    return Piece(key, SeriesPart(planes, layout, "", (_under_several(planes), *layout.warnings)))


def _grid(piece: Piece) -> Grid:
    grid = piece.part.layout.grid
    assert grid is not None
    return grid


def _extent_mm(grid: Grid) -> tuple[float, float, float]:
    """Returns the first and the last slice's position along the normal, and the step between, in mm."""
    i, j, k, origin = grid.ijk_to_lps[:3].T
    normal = np.cross(i, j) / np.linalg.norm(np.cross(i, j))
    first_mm, step_mm = float(origin @ normal), float(k @ normal)
    return first_mm, first_mm + (grid.shape[2] - 1) * step_mm, step_mm


def _common(piece: Piece) -> tuple[object, ...]:
    """Returns the values that pieces of one scan share without tolerance."""
    grid = _grid(piece)
    return replace(piece.key, series_instance_uid=""), grid.frame_of_reference_uid, grid.shape[:2]


def _joined(group: Sequence[Piece]) -> list[Piece]:
    """Joins each piece with the first one before it that belongs to the same scan."""
    found: list[Piece] = []
    for piece in sorted(group, key=lambda each: (_extent_mm(_grid(each))[0], each.key)):
        near = next((n for n, other in enumerate(found) if _are_near(other, piece)), None)
        union = None if near is None else _union(found[near], piece)
        if near is None or union is None:
            found.append(piece)
        else:
            found[near] = union
    return found


def _are_near(one: Piece, other: Piece) -> bool:
    """Returns whether two pieces may be one scan, before all slices are laid out; `one` begins first."""
    _, end_mm, step_mm = _extent_mm(_grid(one))
    behind = (_extent_mm(_grid(other))[0] - end_mm) / step_mm
    if behind > LONGEST_STEP or (behind <= 0 and abs(behind - round(behind)) < BETWEEN):
        return False
    planes = one.part.planes[0], other.part.planes[0]
    return len(by_kind(planes)) == 1 and acquired_alike(*planes)


def _union(one: Piece, other: Piece) -> Piece | None:
    """Returns both pieces as one; None if they are not one scan."""
    planes = (*one.part.planes, *other.part.planes)
    layout = even_layout(planes)
    if layout is None:
        return None
    place = dict(zip(layout.kept, layout.k, strict=True))
    first = sorted(place[n] for n in range(len(one.part.planes)))
    second = sorted(place[n] for n in range(len(one.part.planes), len(planes)))
    depths = dict(zip(map(id, planes), stack_of(planes).depths_mm.tolist(), strict=True))
    follows = second[0] - first[-1] == 1
    if not follows and not complete_each_other(
        (one.part.planes, other.part.planes), lambda plane: depths[id(plane)]
    ):
        return None
    larger = max(one, other, key=lambda each: (len(each.part.planes), each.key))
    return Piece(larger.key, SeriesPart(planes, layout, "", _joined_warnings(one, other, layout.warnings)))


def _joined_warnings(one: Piece, other: Piece, warnings: tuple[str, ...]) -> tuple[str, ...]:
    before = {_under_several(each.part.planes) for each in (one, other)}
    own = [text for each in (one, other) for text in each.part.warnings if text not in before]
    text = _under_several((*one.part.planes, *other.part.planes))
    return tuple(dict.fromkeys((text, *own, *warnings)))


def _under_several(planes: Sequence[Plane]) -> str:
    uids = sorted({plane.origin.key.series_instance_uid for plane in planes})
    named = ", ".join(uids[:NAMED_UIDS]) + (", ..." if len(uids) > NAMED_UIDS else "")
    return f"one scan under {len(uids)} Series Instance UIDs, read as one: {named}"
