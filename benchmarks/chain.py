"""Measures the whole pipeline on a 512x512x274 CT: seconds, memory, share of each stage, beside a peer.

    python -m benchmarks.chain [--peer PYTHON] [--folder SERIES]

The peer is nnU-Net v2's own predictor with one small network of random weights at 2 mm, on the same CT in the
same run; PYTHON is the interpreter of an environment with nnunetv2.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.networks.published import SMALL
from benchmarks.process_usage import OSTEON, ProcessUsage, run_measured
from tests.support.packages.synthetic_nnunet import write_v2
from training.command_line import run
from training.phantoms import phantom_ct, write_series


def main(*, peer: Path | None = None, folder: Path | None = None) -> None:
    """Runs Osteon and the peer on the series in a folder, by default a procedural one; prints a table."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        series = folder or work / "ct"
        if folder is None:
            write_series(phantom_ct(np.random.default_rng(1)).ct, series)
        command = [*OSTEON, "run", str(series), "-o", str(work / "out")]
        ours = run_measured(command, work / "chain.log")
        show(ours, json.loads((work / "out" / "report.json").read_text(encoding="utf-8")))
        if peer is not None:
            show_ratio(ours, run_peer(peer, series, work))


def run_peer(python: Path, series: Path, work: Path) -> ProcessUsage:
    """Runs nnU-Net's predictor on the same voxels."""
    from operators.dicom.pixels.volume_reader import read_volume
    from operators.dicom.read.scan import scan

    volume = read_volume(scan(series).series[0])
    np.savez(work / "volume.npz", hu=volume.hu.transpose(2, 1, 0), spacing=volume.grid.spacing_mm[::-1])
    script = Path(__file__).parent / "networks" / "nnunet_peer.py"
    paths = (script, write_v2(SMALL, work / "small"), work / "volume.npz", work / "labels.npz")
    return run_measured([str(python), *map(str, paths)], work / "peer.log")


def show(ours: ProcessUsage, report: dict[str, Any]) -> None:
    """Prints seconds, memory and the share of each stage."""
    console = Console()
    if ours.returncode != 0:
        console.print(ours.output)
        sys.exit(f"osteon run ended with {ours.returncode}")
    stages = [*report["stages"], *report["series"][0]["stages"]]
    table = Table(title=f"osteon run: {ours.seconds:.1f} s, peak {ours.peak_rss_mb:.0f} MB")
    for heading in ("stage", "seconds", "share", "peak MB so far"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for stage in stages:
        share = stage["seconds"] / ours.seconds
        table.add_row(stage["name"], f"{stage['seconds']:.2f}", f"{share:.0%}", f"{stage['peak_rss_mb']:.0f}")
    rest = ours.seconds - sum(stage["seconds"] for stage in stages)
    table.add_row("start, imports, end", f"{rest:.2f}", f"{rest / ours.seconds:.0%}", "")
    console.print(table)


def show_ratio(ours: ProcessUsage, peer: ProcessUsage) -> None:
    """Prints the ratio of the peer's time and memory to Osteon's."""
    console = Console()
    if peer.returncode != 0:
        console.print(peer.output[-3000:])
        sys.exit(f"the peer ended with {peer.returncode}")
    console.print(
        f"nnU-Net v2, one small network at 2 mm: {peer.seconds:.1f} s, peak {peer.peak_rss_mb:.0f} MB"
    )
    console.print(
        f"ratio nnU-Net / osteon: time {peer.seconds / ours.seconds:.2f}, "
        f"memory {peer.peak_rss_mb / ours.peak_rss_mb:.2f}"
    )


if __name__ == "__main__":
    run(main, __doc__)
