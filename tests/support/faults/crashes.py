"""Interrupts an operation before each of its changes to the disk or the database, one run for each.

    for number in count():
        node = fresh()
        if not cut_off(number, lambda: operation(node)):
            break                   # it finished before that many changes
            ...                         # restart, and check the state

A crash cannot undo anything between two changes, so "after the n-th" equals "before the next".
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
    """The simulated end of the process, which nothing may catch."""


class Countdown:
    """Lets a number of changes happen; the next one, and every later one, crashes."""

    def __init__(self, number: int) -> None:
        self.left, self.is_over = number, False

    def before(self, change: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a change so that it is counted or crashes."""

        def counted(*args: Any, **kwargs: Any) -> Any:
            if self.left == 0:
                self.is_over = True
                raise Crash
            self.left -= 1
            return change(*args, **kwargs)

        return counted


@contextmanager
def counted(countdown: Countdown) -> Iterator[None]:
    """Counts changes within the context."""
    with ExitStack() as stack:
        for owner, name in CHANGES:
            stack.enter_context(patch.object(owner, name, countdown.before(getattr(owner, name))))
        yield


def cut_off(number: int, operation: Callable[[], object]) -> bool:
    """Returns whether the operation was interrupted before its change `number`, counted from 0."""
    countdown = Countdown(number)
    with counted(countdown):
        try:
            operation()
        except Crash:
            return True
    assert not countdown.is_over, "expected nothing to catch a crash"
    return False
