"""Images that belong together (copies, a patient's, those of an examination), and folds that keep them so."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse

from operators.errors import UsageError
from training.radiograph.datasets.near_copies import NEIGHBOURS
from training.radiograph.datasets.radiograph import Radiograph

Pair = tuple[int, int]
# Runs of consecutive numbers are divided after this many images, or this share of a small set: nothing says
# where an examination ends, and each division excludes the images next to it
RUN_IMAGES = 32
RUN_SHARE = 0.1
NUMBERED = re.compile(r"\D*(\d+)\.\w+")


@dataclass(frozen=True, eq=False)
class Member:
    """An image of a data set, its patient (empty if not known) and its number (None if it has none)."""

    image: Radiograph
    patient: str = ""
    number: int | None = None


def number_of(name: str) -> int | None:
    """Returns the number of a file whose name has one number, at its end."""
    found = NUMBERED.fullmatch(name)
    return int(found[1]) if found else None


def groups_of(members: Sequence[Member], pairs: Iterable[Pair]) -> list[int]:
    """Returns the index of the first image of the group of each image.

    Near copies, images of one patient, and runs of consecutive file numbers are in one group.
    """
    links = np.array([*pairs, *same_patients(members), *runs(members)], int).reshape(-1, 2)
    graph = sparse.coo_array((np.ones(len(links)), links.T), shape=(len(members), len(members)))
    _, group = sparse.csgraph.connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    return first[group].tolist()


def same_patients(members: Sequence[Member]) -> Iterator[Pair]:
    """Pairs that link the images of each patient."""
    seen: dict[str, int] = {}
    for at, member in enumerate(members):
        if member.patient:
            yield seen.setdefault(member.patient, at), at


def runs(members: Sequence[Member]) -> Iterator[Pair]:
    """Pairs that link images with consecutive numbers, in runs of limited length."""
    numbered = sorted((one.number, at) for at, one in enumerate(members) if one.number is not None)
    longest, length = min(RUN_IMAGES, int(RUN_SHARE * len(numbered))), 1
    for (number, at), (following, other) in pairwise(numbered):
        length = length + 1 if following - number <= NEIGHBOURS and length < longest else 1
        if length > 1:
            yield at, other


def apart(members: Sequence[Member], pairs: Iterable[Pair], held: Collection[int]) -> set[int]:
    """Returns the images that cannot be trained on while others are held out, by index.

    They are copies of held-out images, of the same patients, or within NEIGHBOURS file numbers of a held-out
    image or of a copy of one.
    """
    held = set(held)
    patients = {members[at].patient for at in held} - {""}
    copies = {b for pair in pairs for a, b in (pair, pair[::-1]) if a in held}
    copies |= {at for at, member in enumerate(members) if member.patient in patients}
    numbers = {members[at].number for at in held | copies}
    near = {n + away for n in numbers if n is not None for away in range(-NEIGHBOURS, NEIGHBOURS + 1)}
    neighbours = {at for at, member in enumerate(members) if member.number in near}
    return (copies | neighbours) - held


def folds_of(groups: Sequence[int], fractured: Sequence[bool], count: int) -> list[int]:
    """Returns the fold of each image, from 0, given its group and whether it is fractured.

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
