"""Main functions of child processes, in a module of their own so that a child imports little."""

from __future__ import annotations

import threading
import time

from app.node.watch.heartbeat import Life
from operators.errors import ModelError, TransientError


def well(life: Life) -> None:
    life.ready.set()
    life.until_stopped([])


def lasting(_: Life) -> None:
    raise ModelError("expected a package, there is none")


def long_winded(_: Life) -> None:
    raise ModelError("ü" * 5000)


def passing(_: Life) -> None:
    raise TransientError("expected the database to answer", code="database_unavailable")


def short(_: Life) -> None:
    raise RuntimeError("std::bad_alloc")


def defect(_: Life) -> None:
    raise KeyError("a defect")


def deaf(life: Life) -> None:
    """Runs without a working loop, so that it misses its heartbeats."""
    thread = threading.Thread(target=time.sleep, args=(0.2,), daemon=True)
    thread.start()
    life.ready.set()
    life.until_stopped([thread], beats=False)


def slow_to_end(life: Life) -> None:
    life.ready.set()
    life.until_stopped([])
    time.sleep(60)
