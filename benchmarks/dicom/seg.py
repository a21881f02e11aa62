"""Measures time and memory of writing a large DICOM SEG, beside highdicom's own constructor.

    python -m benchmarks.dicom.seg [--slices 1000] [--repeats 3]

The SEG has 512 x 512 voxels a slice and 30 segments. Each measurement is a process of its own, Osteon's and
highdicom's in turns. Seconds are CPU time; memory is the peak above the level with the label array loaded. A
small SEG is written first, since highdicom loads its tables once per process (half a second, 100 MB).
highdicom gets its array of segment numbers ready-made, without counting its time and memory.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.process_usage import peak_mb
from operators.dicom.seg.seg_writer import make_seg, write_seg
from operators.segmentation.segmentation import Segmentation
from tests.support.dicom.seg_cases import bone, grid, provenance, segmentation, series
from training.command_line import run

SEGMENTS, LONG, WIDE = 30, 174, 90  # LONG slices of a segment, WIDE rows and columns in each


def main(*, slices: int = 1000, repeats: int = 3, writer: str = "") -> None:
    """Prints the medians and their ratios, or measures one writer in this process."""
    if writer:
        print(*one(writer, slices))
        return
    turns: dict[str, list[list[float]]] = {name: [] for name in WRITERS}
    for _ in range(repeats):
        for name, found in turns.items():
            command = [sys.executable, "-m", "benchmarks.dicom.seg", "--writer", name]
            command += ["--slices", str(slices)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found.append([float(number) for number in done.stdout.split()])
    medians = {
        name: [statistics.median(column) for column in zip(*found, strict=True)]
        for name, found in turns.items()
    }
    for name, (seconds, memory, size) in medians.items():
        ratio = seconds / medians["highdicom"][0]
        print(
            f"{name}: {seconds:.2f} s ({ratio:.2f}), {memory:.0f} MB above the labels, {size:.1f} MB in all"
        )


def made_up(slices: int) -> Segmentation:
    """Returns thirty hollow blocks at random places of the volume."""
    labels, random = np.zeros((512, 512, slices), np.uint8), np.random.default_rng(0)
    for value in range(1, SEGMENTS + 1):
        i, j = random.integers(60, 350, 2)
        k = random.integers(0, max(slices - LONG, 1))
        labels[i : i + WIDE, j : j + WIDE, k : k + LONG] = value
        labels[i + 30 : i + 60, j + 30 : j + 60, k : k + LONG] = 0
    segments = [bone(value, fragment=value) for value in range(1, SEGMENTS + 1)]
    return segmentation(labels, grid(labels.shape), *segments)


def small() -> Segmentation:
    """Returns a segmentation of a single slice."""
    return segmentation(np.ones((8, 1, 1), np.uint8), grid((8, 1, 1)), bone(1))


def one(writer: str, slices: int) -> tuple[float, float, float]:
    """Returns seconds, megabytes above the labels, and megabytes written by one writer."""
    made = made_up(slices)
    with tempfile.TemporaryDirectory() as folder:
        ours(small(), Path(folder) / "seg.dcm")
        seconds, memory = WRITERS[writer](made, Path(folder) / "seg.dcm")
        return seconds, memory, (Path(folder) / "seg.dcm").stat().st_size / 1e6


def measured(write: Callable[[], object]) -> tuple[float, float]:
    """Returns CPU seconds, and the rise of the peak memory in megabytes."""
    before, began = peak_mb(), time.process_time()
    write()
    return time.process_time() - began, peak_mb() - before


def ours(made: Segmentation, path: Path, profile: str = "binary") -> tuple[float, float]:
    """Writes with Osteon from the label array."""
    shared = provenance(made, series(made.label_map.grid))
    return measured(lambda: write_seg(made, shared, path, profile=profile))


def label_map(made: Segmentation, path: Path) -> tuple[float, float]:
    """Writes the label map profile with Osteon."""
    return ours(made, path, "labelmap")


def highdicom(made: Segmentation, path: Path) -> tuple[float, float]:
    """Writes with highdicom from its array of segment numbers (slices, rows, columns)."""
    shared = provenance(made, series(made.label_map.grid))
    voxels = np.ascontiguousarray(made.label_map.labels.T, np.uint8)
    places = np.flatnonzero(voxels.any(axis=(1, 2))).tolist()
    voxels = voxels[places]

    def write() -> None:
        dataset = make_seg(voxels, made.segments, places, shared, made.label_map.grid)
        dataset.save_as(path, enforce_file_format=True)

    return measured(write)


WRITERS = {"binary": ours, "labelmap": label_map, "highdicom": highdicom}

if __name__ == "__main__":
    run(main, __doc__)
