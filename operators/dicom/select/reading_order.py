"""The order in which candidates are read, and which of them become needless meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence

# Reads the candidates of these numbers, all of one series; says of each whether it was segmented
Read = Callable[[list[int]], Mapping[int, bool]]


def read_in_turn(series: Sequence[Hashable], better: Sequence[Sequence[int]], read: Read) -> dict[int, int]:
    """Has each candidate read that no better one makes needless; `series` and `better` are those of each.

    A candidate is a series for one package; those of one series are read at once, as far as all of their
    better ones have ended. One that was segmented, or failed by no fault of its own, makes those behind it
    needless. Returns these with the better one of each, but for those whose series was read for others.
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
    """The candidates of the same series whose better ones have all ended, none of them segmented."""
    return [
        each
        for each in range(len(series))
        if series[each] == series[number]
        and each not in ends
        and all(ends.get(rival) is False for rival in better[each])
    ]
