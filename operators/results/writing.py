"""Measures one segmentation and writes its results beside the SEG; one that fails is noted as missing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from pathlib import Path

from operators.dicom.capture.summary_page import PAGE_WRITERS
from operators.dicom.headers.series import Series
from operators.geometry.projection import Image
from operators.measure.levels.level_names import numbered
from operators.render.surface_view import Picture
from operators.results.image_kinds import Pictures, kind_of
from operators.results.png_files import write_png
from operators.results.result_paths import ResultPaths
from operators.segmentation.segmentation import Segmentation


def measure(segmentation: Segmentation, image: Image, paths: ResultPaths) -> Segmentation:
    """Returns the segmentation with its names, measurements and flags.

    If it cannot be measured, it is unchanged, but for bones of a row: these have numbers instead of names.
    """
    with paths.attempts.attempt("sr"):
        return kind_of(segmentation).measure_and_flag(image, segmentation)
    return numbered(segmentation)


def write_measurements(measured: Segmentation, series: Series, seg: Path, paths: ResultPaths) -> None:
    """Writes the structured report, which refers to the SEG; none if it could not be measured."""
    attempts, path = paths.attempts, paths.files["sr"]
    if not attempts.has_failed("sr"):
        with attempts.attempt("sr", path):
            kind_of(measured).write_report(measured, paths.provenance(series, measured), seg, path)


def write_drawings(measured: Segmentation, series: Series, image: Image, paths: ResultPaths) -> None:
    """Writes a file for each picture and each view, one that references the slices of the pictures, and the
    page with the summary.
    """
    provenance = paths.provenance(series, measured)
    kind, files, attempt = kind_of(measured), paths.files, paths.attempts.attempt
    pictures: Pictures | None = None
    preview: Picture | None = None
    with attempt("sc", files["sc"]):
        pictures = kind.draw_pictures(image, measured)
    if kind.write_key_objects:
        with attempt("kos", files["kos"]):
            kind.write_key_objects(pictures, provenance, files["kos"])
    if kind.write_turntable and "turntable" in files:
        with attempt("turntable", files["turntable"]):
            kind.write_turntable(measured, provenance, files["turntable"])
    if "preview" in files:
        with attempt("preview"):
            drawn = kind.preview_among(pictures) if kind.preview_among and pictures else None
            preview = kind.draw_preview(image, measured) if drawn is None else drawn

    def write_captures() -> None:
        if pictures is not None:
            with attempt("sc", files["sc"]):
                kind.write_pictures(pictures, provenance, files["sc"])

    def write_page(name: str) -> None:
        with attempt(name, files[name]):
            shown = kind.page_figures(pictures, preview)
            PAGE_WRITERS[name](measured, shown, provenance, files[name])

    pages = [partial(write_page, name) for name in PAGE_WRITERS if name in files]
    write_side_by_side(partial(write_preview, preview, paths), *pages, write_captures)


def write_side_by_side(*tasks: Callable[[], None]) -> None:
    """Runs the tasks, two at a time, and raises the first error of theirs once all have ended.

    Most of their time they compress and scale pictures, for which the interpreter is not needed.
    """
    with ThreadPoolExecutor(2) as pool:
        running = [pool.submit(copy_context().run, task) for task in tasks]
    for each in running:
        each.result()


def write_preview(preview: Picture | None, paths: ResultPaths) -> None:
    """Writes the preview if it was drawn."""
    if preview is not None:
        with paths.attempts.attempt("preview", paths.files["preview"]):
            write_png(preview, paths.files["preview"])


def write_fallbacks(segmentation: Segmentation, series: Series, paths: ResultPaths) -> None:
    """Writes a file for each fallback encoding that is wanted."""
    encodings, provenance = kind_of(segmentation).fallbacks, paths.provenance(series, segmentation)
    for form in filter(paths.files.__contains__, encodings):
        with paths.attempts.attempt(form, paths.files[form]):
            encodings[form](segmentation, provenance, paths.files[form])
