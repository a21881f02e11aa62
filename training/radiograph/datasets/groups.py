"""Groups of images: near copies, those of a patient, and those of an examination."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from training.radiograph.dataset import Radiograph
from training.radiograph.near_copies import NEIGHBOURS

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
    """The number of a file whose name has one number, at its end."""
    found = NUMBERED.fullmatch(name)
    return int(found[1]) if found else None


def groups_of(members: Sequence[Member], pairs: Iterable[Pair]) -> list[int]:
    """The index of the first image of the group of each image.

    Near copies, images of one patient, and runs of consecutive file numbers are in one group.
    """
    first = list(range(len(members)))

    def root(at: int) -> int:
        while first[at] != at:
            first[at] = first[first[at]]
            at = first[at]
        return at

    for one, other in (*pairs, *same_patients(members), *runs(members)):
        low, high = sorted((root(one), root(other)))
        first[high] = low
    return [root(at) for at in range(len(members))]


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
    """The images that cannot be trained on while others are held out, by index.

    They are copies of held-out images, of the same patients, or within NEIGHBOURS file numbers of a held-out
    image or of a copy of one.
    """
    held = set(held)
    linked = [*pairs, *same_patient_as(members, held)]
    copies = {b for pair in linked for a, b in (pair, pair[::-1]) if a in held}
    numbers = {members[at].number for at in held | copies}
    near = {n + away for n in numbers if n is not None for away in range(-NEIGHBOURS, NEIGHBOURS + 1)}
    neighbours = {at for at, member in enumerate(members) if member.number in near}
    return (copies | neighbours) - held


def same_patient_as(members: Sequence[Member], held: Collection[int]) -> Iterator[Pair]:
    """Pairs of a held-out image and one of the same patient."""
    patients = {members[at].patient: at for at in held if members[at].patient}
    for at, member in enumerate(members):
        if member.patient in patients:
            yield patients[member.patient], at
