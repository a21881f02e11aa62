"""Measures the listener's cost of one received instance: CPU time, and the rate from one sender.

Meant to be run by `benchmarks.compare_checkouts`; it imports the modules of the checkout that it runs in. On
ext4 the rate falls from run to run, since each new file skips all inodes deleted in the last minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from cyclopts import run

from benchmarks.node.receive import send
from tests.support.dicom import phantoms

LISTEN = """
import sys
from pathlib import Path
from tests.support.node.node_cases import listening, node_settings
with listening(node_settings(Path(sys.argv[1]))) as running:
    print(running.port, flush=True)
    sys.stdin.read()
"""


def main(*, slices: int = 274, series: int = 4, data: Path | None = None) -> None:
    """Prints CPU time and rate; the first series warms the caches and is not measured.

    `slices` is the number of instances of a series, `data` a folder on the disk to be measured.
    """
    with tempfile.TemporaryDirectory(dir=data) as temporary:
        measure(Path(temporary), slices, series)


def measure(root: Path, slices: int, series: int) -> None:
    """Measures one association after another."""
    hu = np.random.default_rng(0).integers(-1000, 1000, (512, 512, 1), dtype=np.int16)
    for study in range(series + 1):
        volume = np.repeat(hu, slices, axis=2)
        phantoms.write_ct(root / "ct" / str(study), volume, phantoms.axial_affine(), study=study + 1)
    os.sync()
    with subprocess.Popen(
        [sys.executable, "-c", LISTEN, str(root / "node")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        send(root / "ct" / "0", port)
        before_s, began_s = cpu_s(process.pid), time.monotonic()
        for study in range(1, series + 1):
            send(root / "ct" / str(study), port)
        count, took_s = series * slices, time.monotonic() - began_s
        print(f"CPU {1000 * (cpu_s(process.pid) - before_s) / count:.4f} ms an instance")
        print(f"rate {count / took_s:.1f} instances a second")


def cpu_s(process: int) -> float:
    """Returns user and system time of a process so far."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    run(main)
