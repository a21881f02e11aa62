"""Repairs a row of bones whose spacing and sizes say that one was skipped, that two are parts of one, or that
one is a scrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from operators.bones.iterative.one_by_one import Instance, Mask, Row, find_at, mark, within
from operators.geometry.volume import Box

# One outline in place of two covers at least so much of both; halves that are not outlined as one bone are
# together at most so many times as large as others
COVERED, JOINT_SIZE = 0.8, 1.3
# Two that are together no larger than one of their neighbours are taken for halves up to this distance,
# relative to that of their neighbours
HALVES_APART = 0.75
# What the network calls a part of a bone, and has less than this share of the size of those around it, is a
# scrap of one of them where these two are as near to each other as neighbours are
SCRAP_SIZE = 0.5


def repair_row(row: Row, found: list[Instance]) -> tuple[list[Instance], list[int]]:
    """Returns the bones from the top down, and the numbers (from 0) of those after which one is missing."""
    found = insert_skipped(row, join_doubled(row, without_scraps(row, found)))
    ratios = spacing_ratios(row, found)
    return found, [n for n, ratio in enumerate(ratios) if ratio >= row.rules.skipped]


def without_scraps(row: Row, found: list[Instance]) -> list[Instance]:
    """Returns the bones without scraps between two others."""
    found, number = list(found), 1
    while number < len(found) - 1:
        rest = found[:number] + found[number + 1 :]
        is_small = found[number].voxels < SCRAP_SIZE * usual_size(row, found, number, number + 1)
        is_between_neighbours = spacing_ratios(row, rest)[number - 1] < row.rules.skipped
        if found[number].is_partial and is_small and is_between_neighbours:
            found = rest
        else:
            number += 1
    return found


def usual_size(row: Row, found: list[Instance], first: int, after: int) -> float:
    """Returns the median voxels of the whole bones on both sides of some (from `first` to before `after`)."""
    around = found[max(first - row.rules.around, 0) : first] + found[after : after + row.rules.around]
    return float(np.median([each.voxels for each in around if not each.is_partial] or [0]))


def join_doubled(row: Row, found: list[Instance]) -> list[Instance]:
    """Returns the bones with two that are too near to each other joined, where the network agrees."""
    found = list(found)
    number = 0
    while number < len(found) - 1:
        ratio, joint = spacing_ratios(row, found)[number], None
        if ratio <= row.rules.doubled or (ratio <= HALVES_APART and are_halves(row, found, number)):
            joint = joined(row, found, number)
        if joint is None:
            number += 1
        else:
            found[number : number + 2] = [joint]
    return found


def are_halves(row: Row, found: list[Instance], number: int) -> bool:
    """Returns whether a bone and the next are together no larger than their neighbours."""
    together = found[number].voxels + found[number + 1].voxels
    return together <= usual_size(row, found, number, number + 2)


def joined(row: Row, found: list[Instance], number: int) -> Instance | None:
    """Returns the one bone that a bone and the next are, None if they are two."""
    one, other = found[number : number + 2]
    rest = found[:number] + found[number + 2 :]
    both = union(one, other)
    again = find_at(row, memory_of(row, rest), both.centre)
    if again is not None and covered(both, again) >= COVERED:
        return replace(again, repair="joined")
    usual = np.median([each.voxels for each in rest if not each.is_partial] or [0])
    return both if both.voxels <= JOINT_SIZE * usual else None


def insert_skipped(row: Row, found: list[Instance]) -> list[Instance]:
    """Returns the bones with those that the network finds half way between two that are too far apart."""
    found, number = list(found), 0
    while number < len(found) - 1:
        one, other = found[number : number + 2]
        between = None
        if spacing_ratios(row, found)[number] >= row.rules.skipped:
            between = find_at(row, memory_of(row, found), (one.centre + other.centre) / 2)
        if between is not None and one.centre[2] > between.centre[2] > other.centre[2]:
            found.insert(number + 1, replace(between, repair="inserted"))
        else:
            number += 1
    return found


def spacing_ratios(row: Row, found: list[Instance]) -> list[float]:
    """Returns the distance of each bone to the next, relative to the median of those around it; 1 where there
    is none around, as then nothing is known.
    """
    centres = np.array([each.centre for each in found]).reshape(-1, 3) * row.grid.spacing_mm
    steps = np.linalg.norm(np.diff(centres, axis=0), axis=1)
    around = [
        np.concatenate([steps[max(n - row.rules.around, 0) : n], steps[n + 1 : n + 1 + row.rules.around]])
        for n in range(len(steps))
    ]
    return [
        float(step / np.median(other)) if len(other) else 1.0
        for step, other in zip(steps, around, strict=True)
    ]


def memory_of(row: Row, found: Sequence[Instance]) -> Mask:
    """Returns the voxels of all bones."""
    memory = np.zeros(row.hu.shape, np.bool_)
    for each in found:
        mark(each, memory)
    return memory


def union(one: Instance, other: Instance) -> Instance:
    """Returns two bones as one."""
    box, around = Box.around_all([one.box, other.box]), Box.around_all([one.around, other.around])
    mask, probability = np.zeros(box.shape, np.bool_), np.zeros(around.shape, np.float16)
    for each in (one, other):
        mask[within(each.box, box)] |= each.mask
        here = probability[within(each.around, around)]
        np.maximum(here, each.probability, out=here)
    certainty = (one.certainty * one.voxels + other.certainty * other.voxels) / (one.voxels + other.voxels)
    is_partial = one.is_partial or other.is_partial
    return Instance(box, mask, certainty, around, probability, is_partial, "joined")


def covered(bone: Instance, by: Instance) -> float:
    """Returns the share of a bone's voxels that another outline holds."""
    both = union(bone, by)
    return 1 - (both.voxels - by.voxels) / bone.voxels
