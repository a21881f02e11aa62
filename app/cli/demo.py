"""`osteon demo`: a made-up CT, the whole chain over it, and how well it was read."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from app.cli.run_command import progress_display, show_outcome
from app.evaluation.comparison import run_evaluation
from app.evaluation.evaluation_report import show
from app.files.label_files import write_nifti
from app.run.folder import prepare_output, run_folder
from app.settings import read_settings
from operators.errors import UsageError
from operators.package_files.package_reader import read_packages

FULL_SPACING_MM = (0.8, 0.8, 1.0)
# Coarser ones are refused: slices are then thicker than a package reads
COARSEST = 6.0


def run_demo(output: Path, coarser: float, seed: int, config: Path | None = None) -> int:
    """Makes a CT, segments it, compares with the truth, prints where the results are.

    `coarser` multiplies the voxels' sides; 1 gives 512x512x274.
    """
    from training.phantoms import DEMO, write_series

    if not 0.5 <= coarser <= COARSEST or seed < 0:
        expected = f"--coarser of 0.5 to {COARSEST:g} and --seed of 0 or more"
        raise UsageError(f"expected {expected}, got {coarser:g} and {seed}")
    settings = read_settings(config)
    prepare_output(output)
    console, progress = Console(), Console(stderr=True)
    spacing = tuple(step * coarser for step in FULL_SPACING_MM)
    progress.print("Drawing the phantom's fractured bones and scanning them ...")
    phantom = DEMO.ct(np.random.default_rng(seed), (spacing[0], spacing[1], spacing[2]))
    series = output / "ct"
    for earlier in series.glob("slice_*.dcm"):  # a coarser CT has fewer slices, and UIDs of its own
        earlier.unlink()
    write_series(phantom.ct, series)
    write_nifti(phantom.truth, output / "truth.nii.gz")
    del phantom
    with progress_display(progress) as display:
        outcome = run_folder(series, output, settings, None, datetime.now().astimezone(), display)
    show_outcome(outcome, console)
    drawn = [package for package in read_packages(settings.models) if package.name == DEMO.package]
    if outcome.exit_code == 0 and drawn:
        console.print("\nThe SEG as it was written, against the truth of the made-up fractures:")
        segmentation, truth = output / "segmentation.dcm", output / "truth.nii.gz"
        show(run_evaluation(segmentation, truth, drawn[0].labels, output / "evaluation"), console)
    console.print(f"\nCT: {series}")
    console.print(f"Results: {output} (open report.html; segmentation.dcm, measurements.dcm for a PACS)")
    console.print(f"Comparison: {output / 'evaluation'}")
    return outcome.exit_code
