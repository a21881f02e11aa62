"""Memory that the allocator keeps after large arrays are gone."""

from __future__ import annotations

import ctypes


def return_freed_memory() -> None:
    """Gives freed memory back to the system where the C library can (glibc does not by itself)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
