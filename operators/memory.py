"""Memory that the allocator keeps after large arrays are gone."""

from __future__ import annotations

import ctypes

# mallopt's number of it in glibc's malloc.h
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 1 << 20


def keep_large_arrays_apart() -> None:
    """Has each array of 1 MB or more returned to the system as soon as it is gone (glibc).

    By itself glibc raises that size to 32 MB as it goes, and keeps what fits between living arrays.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    if option is not None:
        option(M_MMAP_THRESHOLD, LARGE_BYTES)


def return_freed_memory() -> None:
    """Gives freed memory back to the system where the C library can (glibc does not by itself)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
