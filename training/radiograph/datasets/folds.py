"""Parts of a data set for cross-validation: groups stay whole, fractured images are spread evenly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from operators.errors import UsageError


def folds_of(groups: Sequence[int], fractured: Sequence[bool], count: int) -> list[int]:
    """The fold of each image, from 0 on, given its group and whether it is fractured.

    The groups with most fractured images are dealt first, each to the fold that has least. Raises
    UsageError where there are fewer groups than folds.
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
        # Fractured images first, then all: where a group has none, the smallest fold takes it
        least = min(range(count), key=lambda k: totals[k] if broken[group] else totals[k][::-1])
        totals[least][0] += broken[group]
        totals[least][1] += len(members[group])
        for at in members[group]:
            folds[at] = least
    return folds
