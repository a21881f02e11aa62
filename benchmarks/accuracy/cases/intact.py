"""Real CTs of the anatomy in which no fracture is known, so that every fragment that is shown is invented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.accuracy.cases.scan import Scan, scan_of
from training.calibrate.intact import read_ct


def intact_scans(data: Path, paths: Sequence[str]) -> dict[str, Callable[[], Scan]]:
    """Returns the scans by name; `paths` are below `data`."""
    return {Path(path).name.split(".")[0]: partial(intact_scan, data / path) for path in paths}


def intact_scan(path: Path) -> Scan:
    """Reads a CT; its ground truth is empty, as nobody outlined its bones."""
    ct = read_ct(path)
    return scan_of(ct.hu, np.zeros(ct.grid.shape, np.uint8), ct.grid)
