"""What one look at a scan shows, and which packages were run because of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from operators.errors import UnsuitableError

SEGMENTED, NOT_SEEN, REFUSED = "segmented", "not seen", "refused"


@dataclass(frozen=True)
class SeenStructure:
    """A class that the coarse network found in a scan: its mean output over the voxels where it wins, their
    volume, and the lowest and highest coordinates of the box around them (LPS, mm).
    """

    name: str
    network_mean: float
    volume_ml: float
    low_mm: tuple[float, float, float]
    high_mm: tuple[float, float, float]


@dataclass(frozen=True)
class PackageOutcome:
    """What became of a package that may read a series: segmented, not seen, or refused and why."""

    package: str
    version: str
    state: str
    sentence: str = ""


class AnatomyNotFoundError(UnsuitableError):
    """A package's structures are not in the scan; `seen` is what the coarse network saw instead."""

    code = "anatomy_not_found"

    def __init__(self, text: str, seen: Sequence[SeenStructure]) -> None:
        super().__init__(text)
        self.seen = tuple(seen)


def merge_seen(structures: Iterable[SeenStructure]) -> tuple[SeenStructure, ...]:
    """Returns each structure once, as the first of several coarse networks saw it."""
    found: dict[str, SeenStructure] = {}
    for each in structures:
        found.setdefault(each.name, each)
    return tuple(found.values())


def seen_sentence(seen: Sequence[SeenStructure]) -> str:
    """Returns what was seen, in words, each with the network's mean output."""
    return ", ".join(f"{each.name} ({each.network_mean:.2f})" for each in seen) or "none of the known bones"
