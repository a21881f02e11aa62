"""A node that crashes at any change to its disk, and again while it recovers, loses and doubles nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Each change of the disk instead of some of those in starting again: minutes
ALL = os.environ.get("OSTEON_TEST_CRASHES") == "all"
# A recovery that comes to no end by itself, as it works on
NEVER = 1000
# Strides in the code and in starting again, and how many moments there are at least
SCENARIOS = {
    "receiving": (1, 4, 25),
    "watching": (1, 11, 60),
    "queueing": (2, 11, 15),
    "queueing late slices": (2, 11, 15),
    "starting": (1, 2, 5),
    "sweeping": (2, 23, 5),
    "delivering": (29, NEVER, 5),
    "delivering a radiograph": (29, NEVER, 5),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_crash_at_any_change_of_the_disk_loses_and_doubles_nothing(tmp_path: Path, name: str) -> None:
    stride, recovery_stride, least = SCENARIOS[name]
    strides = (1, recovery_stride if recovery_stride == NEVER else 1) if ALL else (stride, recovery_stride)
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "tests.support.faults.crash_points",
        name,
        tmp_path,
        *map(str, strides),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    moments = int(done.stdout.split()[-1])
    print(name, moments)
    assert moments >= least
