"""Segments an image that is not DICOM by the same calls, with results in suitable formats."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.files.projection_files import SUFFIXES, is_projection_file, read_projection_file
from app.run.record import SELECTED, SeriesRecord
from app.run.results import FALLBACKS, FILES, MASK, NAMES, NIFTI, PAGE, PREVIEW, RESULTS, names_of
from app.run.series_records import record_of_failure
from app.run.stage_clock import Show, StageClock
from app.settings import SOFTWARE_VERSION, Settings
from operators.dicom.elements.atomic_file import make_folder
from operators.dicom.read.scan import OtherFile, Scan, UnreadableFile
from operators.dicom.select.selection_rules import extent_fault, slice_spacing_fault
from operators.errors import UnsuitableError
from operators.geometry.projection import Image
from operators.geometry.volume import Grid
from operators.image_files.volume_files import ENDINGS, is_volume_file, read_volume_file, value_files
from operators.packages.packages import ModelPackage
from operators.results.attempts import MissingResult
from operators.segmentation.segmentation import Segmentation

if TYPE_CHECKING:
    from operators.networks.registry import Networks
    from operators.process.progress import Progress


@dataclass(frozen=True, eq=False)
class Run:
    """What all images of one run share."""

    output: Path
    settings: Settings
    packages: Sequence[ModelPackage]
    made_at: datetime
    show: Show


@dataclass(frozen=True)
class FileKind:
    """A type of image file: `reads` as in ModelPackage, its results, and the modality that it counts as.

    `formats` are the values of the setting `files` that it supports; `write` takes the segmentation, the
    settings and the paths of the results by kind.
    """

    reads: str
    modality: str
    endings: tuple[str, ...]
    is_file: Callable[[Path], bool]
    read: Callable[[Path], Image]
    results: tuple[str, ...]
    formats: tuple[str, ...]
    write: Callable[[Segmentation, Settings, dict[str, Path]], None]


def write_volume_results(made: Segmentation, settings: Settings, path: dict[str, Path]) -> None:
    """Writes the label map as NIfTI with its table of names, and the requested surfaces."""
    # With the libraries of surfaces, which a DICOM series need not import
    from app.files.export_files import parts_of, write_files, write_label_map

    parts = parts_of(made)
    write_label_map(made.label_map, parts, path[NIFTI].parent, RESULTS[NIFTI].stem)
    formats = [each for each in settings.files if each not in (NIFTI, *FALLBACKS)]
    if formats:
        write_files(made.label_map, parts, formats, path[FILES])


def write_projection_results(made: Segmentation, _: Settings, path: dict[str, Path]) -> None:
    """Writes the mask of the findings as PNG; report.json describes them."""
    from operators.results.png_files import write_mask_png

    write_mask_png(made, path[MASK])


FILE_KINDS: tuple[FileKind, ...] = (
    FileKind(
        "volume",
        "CT",
        ENDINGS,
        is_volume_file,
        read_volume_file,
        (NIFTI, NAMES, PREVIEW, PAGE, FILES),
        ("nifti", "stl", "ply", "glb"),
        write_volume_results,
    ),
    FileKind(
        "projection",
        "DX",
        SUFFIXES,
        is_projection_file,
        read_projection_file,
        (MASK, PREVIEW, PAGE),
        (),
        write_projection_results,
    ),
)


def image_files(found: Scan) -> list[OtherFile]:
    """The images in formats other than DICOM, in order."""
    return sorted((file for file in found.others if kind_of_file(file.path)), key=lambda file: file.path)


def left_beside_dicom(images: Sequence[OtherFile]) -> tuple[UnreadableFile, ...]:
    """Lists the images that are skipped because there is DICOM beside them, such as icons and thumbnails.

    An examination would otherwise be processed twice.
    """
    text = "expected DICOM alone or other images alone, got both: only DICOM is read; run this file by itself"
    return tuple(UnreadableFile(file.name, text, "beside_dicom") for file in images)


def not_used(found: Scan, images: Sequence[OtherFile]) -> tuple[UnreadableFile, ...]:
    """Lists the files of a folder without DICOM that are neither `images` nor the values of one of them."""
    used = {file.path for file in images} | {path for file in images for path in value_files(file.path)}
    endings = ", ".join(ending for kind in FILE_KINDS for ending in kind.endings)
    text = f"expected DICOM, or an image whose name ends in {endings}, got"
    return tuple(
        UnreadableFile(file.name, f"{text} {file.kind or 'a file of another kind'}", "other_file")
        for file in found.others
        if file.path not in used
    )


def kind_of_file(path: Path) -> FileKind | None:
    """Returns the kind of an image file, by its name; None for other files."""
    return next((kind for kind in FILE_KINDS if kind.is_file(path)), None)


def segment_image(
    image: Image, packages: Sequence[ModelPackage], networks: Networks, progress: Progress
) -> Segmentation:
    """Segments an image with all packages that accept it, with measurements and flags.

    Raises UnsuitableError if none does, or if a CT shows nothing that they deliver.
    """
    from operators.pipelines.several import segment
    from operators.results.image_kinds import kind_of

    made = segment(image, fitting_packages(image, packages), networks, progress)
    return kind_of(made).measure_and_flag(image, made)


def fitting_packages(image: Image, packages: Sequence[ModelPackage]) -> list[ModelPackage]:
    """Returns the packages that read an image. Raises UnsuitableError if none does."""
    refusals = [(package, refusal(image, package)) for package in packages]
    fitting = [package for package, text in refusals if text is None]
    if not fitting:
        reasons = dict.fromkeys(text for _, text in refusals if text)
        raise UnsuitableError("; ".join(reasons), code="image_not_accepted")
    return fitting


def refusal(image: Image, package: ModelPackage) -> str | None:
    """Returns why a package does not accept an image; None if it does."""
    if image.reads != package.reads:
        return f"expected a {package.reads} for {package.name}, got a {image.reads}"
    return None if image.reads == "projection" else grid_refusal(image.grid, package)


def grid_refusal(grid: Grid, package: ModelPackage) -> str | None:
    """Returns why a package does not accept a volume with such a grid; None if it does."""
    limits = package.accepts
    faults = (
        slice_spacing_fault(max(grid.spacing_mm), limits.maximum_slice_spacing_mm),
        extent_fault(grid.shape, grid.spacing_mm, limits.minimum_extent_mm),
    )
    return next((sentence for _, sentence in filter(None, faults)), None)


def run_file(file: OtherFile, run: Run, folder: str, networks: Networks) -> tuple[SeriesRecord, int]:
    """Runs one image file; returns its record and exit code. Results go to a `folder` below.

    This is the edge of a job: every error ends here, with a code and a sentence.
    """
    kind = kind_of_file(file.path)
    assert kind is not None
    clock = StageClock(run.show)
    record = SeriesRecord("", "", file.name, kind.modality, 0, SELECTED, "segmented")
    try:
        with clock.measured("read"):
            image = kind.read(file.path)
        record = replace(record, slices=image.grid.shape[2])
        made = segment_image(image, run.packages, networks, clock.progress)
        record = replace(record, segmentation=made)
        with clock.measured("write"):
            write_results(record, made, image, kind, run.output / folder, run)
        names = names_of(kind.results, run.output, lambda each: f"{folder}{RESULTS[each].name}")
        missing = formats_left_out(kind, run.settings)
        return replace(record, names=names, stages=tuple(clock.records), missing=missing), 0
    except Exception as error:
        return record_of_failure(replace(record, segmentation=None), error, "image_failed")


def formats_left_out(kind: FileKind, settings: Settings) -> tuple[MissingResult, ...]:
    """Sentences on the requested formats that cannot be written for such an image."""
    wanted = ", ".join(kind.formats) or "no other formats"
    return tuple(
        MissingResult(each, "no_such_format", f"expected {wanted} for an image that is not DICOM, got {each}")
        for each in settings.files
        if each not in kind.formats
    )


def write_results(
    record: SeriesRecord, made: Segmentation, image: Any, kind: FileKind, folder: Path, run: Run
) -> None:
    """Writes the kind's own results, the preview and the HTML report."""
    from app.run.html.writer import write_page
    from operators.results.image_kinds import kind_of
    from operators.results.png_files import write_png

    path = {each: folder / RESULTS[each].name for each in kind.results}
    make_folder(folder, "an output folder")
    kind.write(made, run.settings, path)
    write_png(kind_of(made).draw_preview(image, made), path[PREVIEW])
    write_page(record, path[PAGE], [path[PREVIEW]], run.made_at, SOFTWARE_VERSION)
