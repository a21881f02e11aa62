"""Compares the labels of this checkout with those of another one, voxel by voxel.

    git worktree add --detach ../before COMMIT
    python -m benchmarks.compare_labels --against ../before [--data ../shared/data]

Each checkout runs its own packages on a procedural CT and, with DATA, on the patient whom the networks never
saw; the SEGs are read back and compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.accuracy.cases.panel import DEGRADED_PATIENT
from benchmarks.accuracy.cases.patients import series_folder
from operators.dicom.seg.seg_reader import read_seg
from training.command_line import run
from training.phantoms import DEMO, write_series

HERE = Path(__file__).resolve().parents[1]
SPACING_MM = (1.6, 1.6, 2.0)
SEED = 1


def main(*, against: Path, data: Path | None = None) -> None:
    """Prints how many voxels differ in each case; exits with 1 if any does."""
    differ = 0
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for name, series in cases(work, data):
            trees = {"here": HERE, "there": against.resolve()}
            here, there = (labels(tree, series, work / name / which) for which, tree in trees.items())
            count = int(np.count_nonzero(here != there)) if here.shape == there.shape else here.size
            differ += count
            print(f"{name}: {count} of {here.size} voxels differ, {np.count_nonzero(here)} lie in a segment")
    sys.exit(1 if differ else 0)


def cases(work: Path, data: Path | None) -> Iterator[tuple[str, Path]]:
    """Yields the name of each case and the folder of its series."""
    write_series(DEMO.ct(np.random.default_rng(SEED), SPACING_MM).ct, work / "phantom-ct")
    yield "phantom", work / "phantom-ct"
    if data is not None:
        yield f"patient {DEGRADED_PATIENT}", series_folder(data, DEGRADED_PATIENT, work)


def labels(tree: Path, series: Path, output: Path) -> np.ndarray:
    """Returns the segment numbers (I, J, K) that a checkout finds in a series."""
    words = (sys.executable, tree, "-i", series, "-o", output, "-m", tree / "models")
    command, environment = [str(word) for word in words], {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{tree} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return np.asarray(read_seg(output / "segmentation.dcm")[0].labels)


if __name__ == "__main__":
    run(main, __doc__)
