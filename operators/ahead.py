"""The next item is made while the present one is used: in a thread of its own, one ahead."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
END = object()


def ahead(items: Iterable[Item]) -> Generator[Item, None, None]:
    """The same items in the same order; what making one raises comes when it is its turn.

    Worth it where both take time and let go of Python's lock, as networks and arrays' arithmetic do.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as maker:
        coming = maker.submit(next, source, END)
        while (item := coming.result()) is not END:
            coming = maker.submit(next, source, END)
            yield item  # type: ignore[misc]
