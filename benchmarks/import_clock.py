"""Measures the processor seconds that a process spends in imports, also in those that functions do."""

from __future__ import annotations

import builtins
import importlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Import:
    """An import that no other one began, the module that asked for it, and its seconds."""

    name: str
    asked_by: str
    seconds: float


class ImportClock(threading.local):
    """Whether the thread imports; imports within an import count as part of it."""

    imports = False


def watch_imports() -> list[Import]:
    """Returns a list to which every further import of this process is added."""
    clock, found = ImportClock(), list[Import]()

    def watched(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(name: str, *arguments: Any, **options: Any) -> Any:
            if clock.imports:
                return original(name, *arguments, **options)
            clock.imports, began = True, time.thread_time()
            try:
                return original(name, *arguments, **options)
            finally:
                clock.imports = False
                space = arguments[0] if arguments and isinstance(arguments[0], dict) else {}
                found.append(
                    Import(name, space.get("__name__", "importlib.import_module"), time.thread_time() - began)
                )

        return call

    builtins.__import__ = watched(builtins.__import__)
    importlib.import_module = watched(importlib.import_module)
    return found
