"""Makes the next item in another thread while the current one is used."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Yields the items in order, each made one ahead; an error is raised when it is its item's turn.

    This is worthwhile if both sides take time and release Python's lock, as networks and array arithmetic do.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as maker:
        coming = maker.submit(following, source)
        while one := coming.result():
            coming = maker.submit(following, source)
            yield from one


def following(source: Iterator[Item]) -> list[Item]:
    """Returns a list of the next item; an empty one at the end."""
    return list(islice(source, 1))
