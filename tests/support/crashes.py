"""Cuts an operation off before each of its changes to the disk or the database, one run for each.

    for number in count():
        node = fresh()
        if not cut_off(number, lambda: operation(node)):
            break                   # it came to its end before that many changes
        ...                         # start again, and look whether all is well

Between two changes nothing happens that a crash could undo: "after the n-th" is "before the next".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from dbos import DBOSClient

CHANGES = (
    *((os, name) for name in ("rename", "replace", "link", "unlink", "rmdir", "mkdir")),
    *(
        (DBOSClient, name)
        for name in ("enqueue", "delete_workflows", "cancel_workflow", "update_workflow_attributes")
    ),
)


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


class Countdown:
    """Lets so many changes happen; at the next one, and at all that come after it, it crashes."""

    def __init__(self, number: int) -> None:
        self.left, self.is_over = number, False

    def before(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """The same change, unless the time has come."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            if self.left == 0:
                self.is_over = True
                raise Crash
            self.left -= 1
            return change(*args, **kwargs)

        return counted


@contextmanager
def counted(countdown: Countdown) -> Iterator[None]:
    """While it counts."""
    with ExitStack() as stack:
        for owner, name in CHANGES:
            stack.enter_context(patch.object(owner, name, countdown.before(getattr(owner, name))))
        yield


def cut_off(number: int, operation: Callable[[], object]) -> bool:
    """Whether the operation was cut off before its change `number`, counted from 0."""
    countdown = Countdown(number)
    with counted(countdown):
        try:
            operation()
        except Crash:
            return True
    assert not countdown.is_over, "something has caught a crash"
    return False
