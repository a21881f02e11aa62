"""Checks by its header alone that a weights file exists and is complete: nothing is hashed or loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

# In the safetensors format the header's length comes first, in this many bytes
LENGTH_BYTES = 8
METADATA = "__metadata__"
# The reference reader's limit (safetensors, MAX_HEADER_SIZE)
LONGEST_HEADER = 100_000_000


def size_fault(path: Path) -> str:
    """Returns a fault of a weights file as one sentence; '' if its size matches its header."""
    name = f"{path.parent.name}/{path.name}"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            expected = stated_bytes(file.read(LENGTH_BYTES), file.read)
    except FileNotFoundError:
        return f"expected weights at {name}, got none"
    except OSError as error:
        return f"expected weights at {name}, but could not read them: {error.strerror}"
    except (ValueError, TypeError, LookupError, AttributeError):
        return f"expected safetensors at {name}, got another file of {size} bytes"
    if size != expected:
        return f"expected {expected} bytes of weights at {name}, got {size}: the file is not complete"
    return ""


def stated_bytes(length: bytes, read: Any) -> int:
    """Returns the size of the file that a header describes. Raises ValueError or alike for another file."""
    header_bytes = int.from_bytes(length, "little")
    if len(length) < LENGTH_BYTES or not 0 < header_bytes <= LONGEST_HEADER:
        raise ValueError("expected the length of a header")
    header = json.loads(read(header_bytes))
    ends = [about["data_offsets"][1] for name, about in header.items() if name != METADATA]
    return LENGTH_BYTES + header_bytes + int(max(ends, default=0))
