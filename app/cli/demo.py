"""`osteon demo`: simulates a CT, segments it, and compares the result with the ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from app.cli.arguments import Config
from app.cli.run_outcome import progress_display, show_outcome
from app.evaluation.comparison import run_evaluation
from app.evaluation.evaluation_report import CaseResult, show
from app.run.folder import RunOutcome, run_folder
from app.run.html.writer import write_page
from app.run.output_folder import prepare_output
from app.run.results import PAGE, PICTURES, PREVIEW
from app.settings import SOFTWARE_VERSION, read_settings
from operators.errors import UsageError
from operators.evaluation.metrics import BoneMetrics
from operators.image_files.label_files import write_nifti
from operators.package_files.package_reader import read_packages
from operators.packages.packages import Label

FULL_SPACING_MM = (0.8, 0.8, 1.0)
# Above it the slices are thicker than a package accepts
COARSEST = 6.0


def comparison_sentences(result: CaseResult, labels: Sequence[Label]) -> tuple[str, ...]:
    """Returns a sentence for each bone: which fragments were found, missed or invented."""
    names = {label.name: label.meaning for label in labels}
    return tuple(f"{names[bone.name]}: {compared(bone)}." for bone in result.metrics.bones)


def compared(bone: BoneMetrics) -> str:
    """Returns a phrase that says whether the fracture of a bone was found, missed or invented."""
    true, shown = bone.detection.true_fragments, bone.detection.predicted_fragments
    if true == shown == 1:
        return "intact, and shown intact"
    if shown <= 1:
        return f"broken into {true} fragments, shown intact: the fracture was missed"
    if true <= 1:
        return f"intact, shown in {shown} fragments: the fracture was invented"
    found = f"broken into {true} fragments; {shown} are shown, of which {bone.detection.found} are correct"
    return f"{found}; {bone.false_fragments} false, {bone.merges} merged, {bone.splits} split"


def add_to_page(outcome: RunOutcome, sentences: Sequence[str], output: Path) -> None:
    """Writes the report's page again with the comparison on it, so that nobody overrates the demo."""
    record = outcome.series[0]
    pictures = [output / name for kind in (PREVIEW, PICTURES) for name in record.names.get(kind, ())]
    compared = tuple(f"Ground truth of the phantom: {sentence}" for sentence in sentences)
    page = replace(record, warnings=(*record.warnings, *compared))
    write_page(page, output / str(record.name(PAGE)), pictures, datetime.now().astimezone(), SOFTWARE_VERSION)


def draw_series(output: Path, coarser: float, seed: int) -> Path:
    """Draws the CT and its ground truth into the output folder; returns the folder of the series."""
    from training.phantoms import DEMO, write_series

    x, y, z = (step * coarser for step in FULL_SPACING_MM)
    phantom = DEMO.ct(np.random.default_rng(seed), (x, y, z))
    series = output / "ct"
    for earlier in series.glob("slice_*.dcm"):  # an earlier CT may have had more slices, with other UIDs
        earlier.unlink()
    write_series(phantom.ct, series)
    write_nifti(phantom.truth, output / "truth.nii.gz")
    return series


def compare_with_truth(outcome: RunOutcome, output: Path, models: Path, console: Console) -> None:
    """Compares the written SEG with the ground truth, on the console and on the report's page.

    Does nothing if the models lack the package of the phantom.
    """
    from training.phantoms import DEMO

    for package in read_packages(models):
        if package.name != DEMO.package:
            continue
        console.print("\nThe written SEG compared with the ground truth of the simulated fractures:")
        segmentation, truth = output / "segmentation.dcm", output / "truth.nii.gz"
        results = run_evaluation(segmentation, truth, package.labels, output / "evaluation")
        show(results, console)
        sentences = comparison_sentences(results[0], package.labels)
        for sentence in sentences:
            console.print(sentence, highlight=False, soft_wrap=True)
        add_to_page(outcome, sentences, output)


def demo(
    *, output: Path = Path("out/demo"), coarser: float = 1.0, seed: int = 1, config: Config = None
) -> int:
    """Make a CT of fractured bones, segment it, and compare the result with the ground truth.

    Parameters
    ----------
    output
        Folder for the CT, the results and the comparison.
    coarser
        Factor for the voxel size; 1 gives 512x512x274 voxels.
    seed
        Seed of the fractures and of the UIDs.
    """
    if not 0.5 <= coarser <= COARSEST or seed < 0:
        expected = f"--coarser from 0.5 to {COARSEST:g} and --seed of at least 0"
        raise UsageError(f"expected {expected}, got {coarser:g} and {seed}")
    settings = read_settings(config)
    prepare_output(output)
    console, progress = Console(), Console(stderr=True)
    progress.print("Drawing the phantom's fractured bones and scanning them ...")
    series = draw_series(output, coarser, seed)
    with progress_display(progress) as display:
        outcome = run_folder(series, output, settings, None, datetime.now().astimezone(), display)
    show_outcome(outcome, console)
    if outcome.exit_code == 0:
        compare_with_truth(outcome, output, settings.models, console)
    console.print(f"\nCT: {series}")
    console.print(f"Results: {output} (open report.html; send segmentation.dcm, measurements.dcm to a PACS)")
    console.print(f"Comparison: {output / 'evaluation'}")
    return outcome.exit_code
