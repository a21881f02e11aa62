"""Finds series whose images were all sent again in another series of the study, under a new series UID."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import permutations
from pathlib import Path

from operators.dicom.pixels.version_differences import difference
from operators.errors import UnreadableError

# The attribute that is reported as changed
KEYWORD = "SeriesInstanceUID"


def moved_series(study: Path, images: Sequence[str]) -> frozenset[str]:
    """Returns the series that are replaced by a later one with the same images under the same UIDs.

    Raises OSError if the study is removed meanwhile.
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
    """Returns whether all files of the later series are newer and show the same."""
    pairs = [(study / former / file, study / later / file) for file in files]
    if any(one.stat().st_mtime_ns >= other.stat().st_mtime_ns for one, other in pairs):
        return False
    try:
        return not any(difference(one, other).image for one, other in pairs)
    except UnreadableError:
        return False
