"""Runs tasks at once in threads: for work outside the interpreter, as most of NumPy, SciPy and Pillow is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

# More would need the memory of more blocks of a CT at once
AT_ONCE = 2


def side_by_side(function: Callable[[Given], Made], items: Iterable[Given]) -> list[Made]:
    """Returns the results of a function, in the order of the items.

    Raises the first item's error of those that have any, once all have ended.
    """
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running = [pool.submit(copy_context().run, function, item) for item in items]
    return [each.result() for each in running]
