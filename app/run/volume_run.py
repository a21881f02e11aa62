"""One image that is not DICOM: segmented by the same calls, its results as NIfTI, surfaces and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from app.files.export_files import parts_of, write_files, write_label_map
from app.files.volume_files import read_volume_file
from app.run.report import SELECTED, SeriesRecord
from app.run.results import FALLBACKS, FILES, NAMES, NIFTI, PAGE, PREVIEW, RESULTS, names_of
from app.run.series_records import record_of_failure
from app.run.stage_clock import Show, StageClock
from app.settings import SOFTWARE_VERSION, Settings
from operators.dicom.elements.atomic_file import make_folder
from operators.dicom.select.selection_rules import extent_fault, slice_spacing_fault
from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume, Grid
from operators.measure.flags import flag_result
from operators.measure.measuring import measure_segments
from operators.packages.packages import ModelPackage
from operators.segmentation.segmentation import Segmentation

if TYPE_CHECKING:
    from operators.networks.registry import Networks
    from operators.pipelines.pipeline_table import Progress

KINDS = (NIFTI, NAMES, PREVIEW, PAGE, FILES)


def segment_volume(
    volume: CtVolume, packages: Sequence[ModelPackage], networks: Networks, progress: Progress
) -> Segmentation:
    """The measured and flagged segmentation of a volume, with all packages that accept its grid.

    Raises UnsuitableError where none does, or where it shows nothing that they deliver.
    """
    from operators.pipelines.several import segment

    fitting = [package for package in packages if refusal(volume.grid, package) is None]
    if not fitting:
        reasons = dict.fromkeys(text for package in packages if (text := refusal(volume.grid, package)))
        raise UnsuitableError("; ".join(reasons), code="image_not_accepted")
    return flag_result(measure_segments(segment(volume, fitting, networks, progress)), volume)


def refusal(grid: Grid, package: ModelPackage) -> str | None:
    """Why a package does not read an image with such a grid; None where it does."""
    limits = package.accepts
    faults = (
        slice_spacing_fault(max(grid.spacing_mm), limits.maximum_slice_spacing_mm),
        extent_fault(grid.shape, grid.spacing_mm, limits.minimum_extent_mm),
    )
    return next((sentence for _, sentence in filter(None, faults)), None)


def run_volume(
    image: Path,
    output: Path,
    folder: str,
    settings: Settings,
    packages: Sequence[ModelPackage],
    networks: Networks,
    made_at: datetime,
    show: Show,
) -> tuple[SeriesRecord, int]:
    """One image file; its record and exit code. Results go to `folder` below the output.

    This is the edge of a job: whatever goes wrong ends here, named.
    """
    clock, record = StageClock(show), SeriesRecord("", "", image.name, "CT", 0, SELECTED, "segmented")
    try:
        with clock.measured("read"):
            volume = read_volume_file(image)
        record = replace(record, slices=volume.grid.shape[2])
        made = segment_volume(volume, packages, networks, clock.progress)
        record = replace(record, segmentation=made)
        with clock.measured("write"):
            write_results(record, made, volume, output / folder, settings, made_at)
        names = names_of(KINDS, output, lambda kind: f"{folder}{RESULTS[kind].name}")
        return replace(record, names=names, stages=tuple(clock.records)), 0
    except Exception as error:
        return record_of_failure(replace(record, segmentation=None), error, "image_failed")


def write_results(
    record: SeriesRecord,
    made: Segmentation,
    volume: CtVolume,
    folder: Path,
    settings: Settings,
    made_at: datetime,
) -> None:
    """The label map as NIfTI with its table of names, surfaces that are asked for, a picture and a page."""
    from app.run.html.writer import write_page
    from operators.render.preview import draw_preview
    from operators.writers.preview_file import write_png

    path = {kind: folder / RESULTS[kind].name for kind in KINDS}
    make_folder(folder, "an output folder")
    parts = parts_of(made)
    write_label_map(made.label_map, parts, folder, RESULTS[NIFTI].stem)
    formats = [each for each in settings.files if each not in (NIFTI, *FALLBACKS)]
    if formats:
        write_files(made.label_map, parts, formats, path[FILES])
    write_png(draw_preview(volume, made.label_map, made.segments), path[PREVIEW])
    write_page(record, path[PAGE], [path[PREVIEW]], made_at, SOFTWARE_VERSION)
