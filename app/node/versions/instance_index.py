"""An index of the studies that hold an instance, to find instances that moved to another study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from app.node.queue.completeness import Content

Hashes = NDArray[np.int64]


class InstanceIndex:
    """The hashes of the instances of all studies, 12 bytes each."""

    def __init__(self) -> None:
        self.hashes: Hashes = np.empty(0, np.int64)
        self.owners: NDArray[np.int32] = np.empty(0, np.int32)
        self.numbers: dict[str, int] = {}
        self.next_number = 0

    def add_missing(self, contents: Mapping[str, Content]) -> None:
        """Adds the images of studies that are not in the index yet."""
        missing = [study for study in contents if study not in self.numbers]
        parts = [hashes_of(contents[study].images) for study in missing]
        if missing:
            numbers = np.array([self._number(study) for study in missing], np.int32)
            self._insert(np.concatenate(parts), np.repeat(numbers, [len(part) for part in parts]))

    def shared(self, study: str, images: Sequence[str]) -> dict[str, int]:
        """Returns how many of these images each other study holds, and adds them to the index."""
        wanted, number = hashes_of(images), self._number(study)
        begins, ends = (np.searchsorted(self.hashes, wanted, side) for side in ("left", "right"))
        holders = [self.owners[begin:end] for begin, end in zip(begins, ends, strict=True)]
        new = np.array([number not in owners for owners in holders], bool)
        self._insert(wanted[new], np.full(int(new.sum()), number, np.int32))
        names = {each: name for name, each in self.numbers.items()} if any(map(len, holders)) else {}
        counts = Counter(int(owner) for owners in holders for owner in set(owners) if owner != number)
        return {names[owner]: count for owner, count in counts.items()}

    def forget(self, studies: Collection[str]) -> None:
        """Removes studies from the index."""
        numbers = [self.numbers.pop(study) for study in studies if study in self.numbers]
        kept = ~np.isin(self.owners, numbers)
        self.hashes, self.owners = self.hashes[kept], self.owners[kept]

    def _number(self, study: str) -> int:
        if study not in self.numbers:
            self.numbers[study], self.next_number = self.next_number, self.next_number + 1
        return self.numbers[study]

    def _insert(self, hashes: Hashes, owners: NDArray[np.int32]) -> None:
        order = np.argsort(hashes, kind="stable")
        places = np.searchsorted(self.hashes, hashes[order])
        self.hashes = np.insert(self.hashes, places, hashes[order])
        self.owners = np.insert(self.owners, places, owners[order])


def hashes_of(images: Sequence[str]) -> Hashes:
    """Returns the hashes of the instances' UIDs, regardless of their series."""
    return np.array([hash(image.rpartition("/")[2]) for image in images], np.int64)
