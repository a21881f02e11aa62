"""Folds of a data set: groups are not divided, fractured images are distributed evenly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from operators.errors import UsageError


def folds_of(groups: Sequence[int], fractured: Sequence[bool], count: int) -> list[int]:
    """The fold of each image, from 0, given its group and whether it is fractured.

    The groups with the most fractured images are assigned first, each to the fold that has the fewest.
    Raises UsageError if there are fewer groups than folds.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for at, group in enumerate(groups):
        members[group].append(at)
    if len(members) < count:
        raise UsageError(
            f"expected {count} groups of images or more for {count} parts, got {len(members)}: "
            "copies, a patient's images and those of an examination stay together"
        )
    broken = {group: sum(fractured[at] for at in all_) for group, all_ in members.items()}
    order = sorted(members, key=lambda group: (-broken[group], -len(members[group]), group))
    totals = [[0, 0] for _ in range(count)]
    folds = [0] * len(groups)
    for group in order:
        # By fractured images, then by all: a group without fractures goes to the smallest fold
        least = min(range(count), key=lambda k: totals[k] if broken[group] else totals[k][::-1])
        totals[least][0] += broken[group]
        totals[least][1] += len(members[group])
        for at in members[group]:
            folds[at] = least
    return folds
