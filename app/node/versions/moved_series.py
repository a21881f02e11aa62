"""Series whose images all came again in another series of their study: a PACS gave them a new series UID."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

from operators.dicom.pixels.version_differences import difference
from operators.errors import UnreadableError

# What is said to be different
KEYWORD = "SeriesInstanceUID"


def moved_series(study: Path, images: Sequence[str]) -> frozenset[str]:
    """Series that a later one, which shows the same images under the same UIDs, takes the place of.

    Raises OSError where the study goes meanwhile.
    """
    files = defaultdict[str, set[str]](set)
    for image in images:
        series, _, file = image.partition("/")
        files[series].add(file)
    if sum(map(len, files.values())) == len(set().union(*files.values())):
        return frozenset()
    return frozenset(
        former
        for former, later in permutations(files, 2)
        if files[former] <= files[later] and is_moved(study, former, later, sorted(files[former]))
    )


def is_moved(study: Path, former: str, later: str, files: Sequence[str]) -> bool:
    """Whether all came later, and show the same."""
    pairs = [(study / former / file, study / later / file) for file in files]
    if any(one.stat().st_mtime_ns >= other.stat().st_mtime_ns for one, other in pairs):
        return False
    try:
        return not any(difference(one, other).image for one, other in pairs)
    except UnreadableError:
        return False
