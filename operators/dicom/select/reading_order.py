"""Reads candidates in order, and skips those that become unnecessary."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

# Reads the candidates of these numbers, all of one series; returns for each whether it was segmented
Read = Callable[[list[int]], Mapping[int, bool]]


def read_in_turn(series: Sequence[Hashable], better: Sequence[Sequence[int]], read: Read) -> dict[int, int]:
    """Reads each candidate that no better one makes unnecessary; `series` and `better` hold an entry for
    each.

    A candidate is a series for one package. Those of one series are read together, once all of their better
    ones have ended. A candidate that was segmented, or failed through no fault of its own, makes those behind
    it unnecessary. Returns the unnecessary ones, each with its better one, except those whose series was read
    for other packages.
    """
    ends: dict[int, bool] = {}
    needless: dict[int, int] = {}
    for number, rivals in enumerate(better):
        if number in ends:
            continue
        best = next((rival for rival in rivals if ends[rival]), None)
        if best is None:
            ends |= read(_ready_with(number, series, better, ends))
        else:
            ends[number] = False
            needless[number] = best
    read_series = {series[number] for number in ends.keys() - needless.keys()}
    return {number: best for number, best in needless.items() if series[number] not in read_series}


def _ready_with(
    number: int, series: Sequence[Hashable], better: Sequence[Sequence[int]], ends: Mapping[int, bool]
) -> list[int]:
    """Returns the candidates of the same series whose better ones have all ended without being segmented."""
    return [
        each
        for each in range(len(series))
        if series[each] == series[number]
        and each not in ends
        and all(ends.get(rival) is False for rival in better[each])
    ]
