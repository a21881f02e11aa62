"""The next item is made while the present one is used: in a thread of its own, one ahead."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def prefetch(items: Iterable[Item]) -> Generator[Item, None, None]:
    """Yields the items in their order, each made ahead; an error comes when it is its item's turn.

    Worth it where both take time and let go of Python's lock, as networks and arrays' arithmetic do.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as maker:
        coming = maker.submit(following, source)
        while one := coming.result():
            coming = maker.submit(following, source)
            yield from one


def following(source: Iterator[Item]) -> list[Item]:
    """The next item; an empty list at the end."""
    return list(islice(source, 1))
