"""What the supervisor of a node tells its page: which parts work, in memory that both share."""

from __future__ import annotations

import ctypes
import json
from typing import Any

from app.node.watch.heartbeat import SPAWN

BOARD_BYTES = 8192


class StatusBoard:
    """A small JSON object in shared memory, written by one process and read by others without a lock."""

    def __init__(self) -> None:
        self.content = SPAWN.RawArray(ctypes.c_char, BOARD_BYTES)

    def write(self, values: dict[str, Any]) -> None:
        """Replaces the content, which is dropped if it is too long."""
        encoded = json.dumps(values).encode()
        if len(encoded) < BOARD_BYTES:
            self.content.value = encoded

    def read(self) -> dict[str, Any]:
        """Returns the content; {} if there is none, or while it is being written."""
        try:
            return dict(json.loads(self.content.value or b"{}"))
        except ValueError:
            return {}
