"""Moves the fragments of a broken bone: apart, across, into each other, out of the joint."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from training.fracturing.bone import Box, BrokenModel, Mask, box_of, present
from training.fracturing.lines import with_lines_between
from training.fracturing.rules import BLOOD_HU, FractureRules
from training.fracturing.surfaces import Vector, unit
from training.sampling import Array, smooth_noise

# How much of a fragment may vanish in others: nothing but rounding, or what impaction crushes
LOST, CRUSHED = 0.03, 0.2


def displace(
    rng: np.random.Generator,
    bone: BrokenModel,
    spacing_mm: float,
    rules: FractureRules,
    impacted: bool = False,
) -> BrokenModel:
    """Returns all but the largest fragment moved rigidly; half of the time they stay where they broke."""
    values, sizes = present(bone.fragments)
    if len(values) < 2 or rng.random() < rules.undisplaced:
        return bone
    moved = BrokenModel(bone.hu.copy(), bone.fragments.copy())
    for value in values[np.argsort(-sizes)][1:]:
        place(rng, bone, moved, int(value), spacing_mm, rules, impacted)
    return moved if impacted else with_lines_between(rng, moved)


def place(
    rng: np.random.Generator,
    bone: BrokenModel,
    moved: BrokenModel,
    value: int,
    spacing_mm: float,
    rules: FractureRules,
    impacted: bool,
) -> None:
    """One fragment of `moved` put elsewhere; less far, or where it was, if it would vanish in others."""
    piece = bone.fragments == value
    empty(rng, moved, moved.fragments == value)
    away = outward(moved, piece)
    far = not impacted and rng.random() < rules.dislocated
    size = 1.0 if far else float(rng.beta(1, 2))
    reach_mm = rng.uniform(10, rules.dislocation_mm) if far else rules.shift_mm * size
    turn = Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * rules.turn_deg * size, degrees=True)
    shift = draw_shift(rng, away, impacted) * min(reach_mm, 3.0 if impacted else reach_mm) / spacing_mm
    for share in (1.0, 0.5, 0.0):
        part_turn = Rotation.from_rotvec(turn.as_rotvec() * share)
        block = box_of(piece, int(np.ceil(np.abs(shift * share).max() + 4)))
        there, texture = carried(bone, piece, block, part_turn, shift * share)
        taken = moved.fragments[block] > 0
        lost = int((there & taken).sum()) / max(int(there.sum()), 1)
        if lost <= (CRUSHED if impacted else LOST) or share == 0:
            break
    settle(rng, moved, block, there, texture, value)


def empty(rng: np.random.Generator, moved: BrokenModel, left: Mask) -> None:
    """The place that a fragment leaves: blood, with the torn tissue's fat in it."""
    filling = rng.uniform(*BLOOD_HU) + rng.uniform(0, 40) * smooth_noise(rng, left.shape, 9)
    moved.hu[left] = filling[left]
    moved.fragments[left] = 0


def outward(moved: BrokenModel, piece: Mask) -> NDArray[np.float64]:
    """From what lies in place already to a fragment."""
    there = moved.fragments[::3, ::3, ::3] > 0
    own = np.argwhere(piece[::3, ::3, ::3])
    near = np.argwhere(there)
    if len(own) == 0 or len(near) == 0:
        return np.zeros(3)
    close = near[((near - own.mean(axis=0)) ** 2).sum(axis=1).argsort()[: 2 * len(own)]]
    return unit(own.mean(axis=0) - close.mean(axis=0))


def draw_shift(rng: np.random.Generator, away: NDArray[np.float64], impacted: bool) -> NDArray[np.float64]:
    """Returns a direction: into the rest of the bone where it is impacted, else never into it."""
    any_way = unit(rng.standard_normal(3))
    into = float(any_way @ away)
    if impacted:
        return unit(0.4 * any_way - away)
    return unit(any_way - (min(into, 0.0) - 0.2) * away)


def carried(
    bone: BrokenModel, piece: Mask, block: Box, turn: Rotation, shift: NDArray[np.float64]
) -> tuple[Mask, Array]:
    """Returns where a fragment comes to lie, and its texture; it goes on past the patch's border."""
    own = box_of(piece)
    centre = np.array([(s.start + s.stop) / 2 - b.start for s, b in zip(own, block, strict=True)])
    there = rigidly_moved(piece[block].astype(np.float32), turn, shift, centre)
    return there >= 0.5, rigidly_moved(bone.hu[block], turn, shift, centre)


def rigidly_moved(volume: Array, turn: Rotation, shift: Vector, about: Vector) -> Array:
    """Returns `volume` rotated about a point and shifted, in voxels, linearly; outside repeats the edge."""
    back = turn.as_matrix().T
    offset = about - back @ (about + shift)
    return ndimage.affine_transform(volume, back, offset, order=1, mode="nearest")


def settle(
    rng: np.random.Generator, moved: BrokenModel, block: Box, there: Mask, texture: Array, value: int
) -> None:
    """Puts a fragment where nothing is yet; where something is, the two add up to crushed, denser bone."""
    taken = moved.fragments[block] > 0
    free, crushed = there & ~taken, there & taken
    moved.hu[block][free] = texture[free]
    moved.hu[block][crushed] += np.float32(rng.uniform(0.4, 0.9)) * np.maximum(texture[crushed], 0)
    moved.fragments[block][free] = value
