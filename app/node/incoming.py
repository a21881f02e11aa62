"""One instance that is being received: a file that grows with each fragment, or nothing any more."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from app.node.command_set import StoreRequest

# PS3.7 C and PS3.4 B.2.3: statuses of C-STORE
SUCCESS, OUT_OF_RESOURCES, NOT_THE_SOP_CLASS, CANNOT_UNDERSTAND = 0x0000, 0xA700, 0xA900, 0xC000
INVALID_INSTANCE = 0x0117


@dataclass
class Incoming:
    """One C-STORE under way; where `status` is set already, what still comes is thrown away."""

    context_id: int
    request: StoreRequest
    status: int | None = None
    path: Path | None = None
    file: BinaryIO | None = field(default=None, repr=False)
    unchecked: int = 0

    def write(self, content: memoryview) -> None:
        """Appends all of it, which one write need not do; a full disk becomes a status."""
        if self.file is None:
            return
        try:
            while content:
                content = content[self.file.write(content) :]
        except OSError:
            self.refuse(OUT_OF_RESOURCES)

    def refuse(self, status: int) -> None:
        """Keeps nothing of it."""
        self.status = status
        self.drop()

    def drop(self) -> None:
        """Closes and removes the file."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()
            self.file = None
        if self.path is not None:
            self.path.unlink(missing_ok=True)
