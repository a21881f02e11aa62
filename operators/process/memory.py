"""Determines the available memory, and controls what the allocator keeps after large arrays are freed."""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator
from pathlib import Path

# The number of mallopt's option in glibc's malloc.h
M_MMAP_THRESHOLD = -3
LARGE_BYTES = 1 << 20
STACK_BYTES = 32 * 1024 * 1024


def memory_bytes(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Returns the memory that this process may use: the machine's, or less under a control group."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *group_limits(cgroups, own)])


def group_limits(cgroups: Path, own: Path) -> Iterator[int]:
    """Yields the limits of the process's control groups and of those above them, of both versions (Linux)."""
    lines = own.read_text().splitlines() if own.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        versions = {"": (cgroups, "memory.max"), "memory": (cgroups / "memory", "memory.limit_in_bytes")}
        if controllers in versions:
            root, name = versions[controllers]
            folder = root / path.lstrip("/")
            # Inside a container the path may be the machine's: then the root's own file applies
            for each in (folder, *folder.parents):
                text = (each / name).read_text().strip() if (each / name).is_file() else ""
                if text.isdigit():
                    yield int(text)


def keep_large_arrays_apart() -> None:
    """Makes the allocator return each array of 1 MB or more to the system as soon as it is freed (glibc).

    By default glibc raises that size to 32 MB as it runs, and keeps memory between living arrays.
    """
    option = getattr(ctypes.CDLL(None), "mallopt", None)
    if option is not None:
        option(M_MMAP_THRESHOLD, LARGE_BYTES)


def return_freed_memory() -> None:
    """Returns freed memory to the system if the C library can (glibc does not by itself)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def allow_deep_stack() -> None:
    """Raises the stack limit: Holoscan needs 32 MB, most systems allow 8."""
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < STACK_BYTES and (hard == unlimited or hard >= STACK_BYTES):
        resource.setrlimit(resource.RLIMIT_STACK, (STACK_BYTES, hard))
