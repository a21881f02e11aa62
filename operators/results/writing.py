"""Measures one segmentation and writes its results beside the SEG; one that fails is noted as missing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from operators.dicom.capture.summary_page import PAGE_WRITERS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.provenance import Provenance
from operators.geometry.projection import Image
from operators.measure.levels.level_names import numbered
from operators.process.side_by_side import side_by_side
from operators.render.surface_view import Picture
from operators.results.image_kinds import ImageKind, Pictures, kind_of
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


@dataclass(frozen=True, eq=False)
class Drawings:
    """Draws and writes the pictures of one segmentation. What fails is noted as missing."""

    measured: Segmentation
    provenance: Provenance
    image: Image
    paths: ResultPaths

    @property
    def kind(self) -> ImageKind:
        """The functions for the type of image."""
        return kind_of(self.measured)

    def draw(self) -> Shown:
        """Returns the pictures and the preview, which is one of the pictures of a radiograph."""
        among = self.kind.preview_among
        if among is None:
            drawn: list[Any] = side_by_side(lambda step: step(), (self.draw_pictures, self.draw_preview))
            return Shown(*drawn)
        pictures = self.draw_pictures()
        if pictures and "preview" in self.paths.files:
            return Shown(pictures, among(pictures))
        return Shown(pictures, self.draw_preview())

    def draw_pictures(self) -> Pictures | None:
        """Returns the pictures, or None if they cannot be drawn."""
        with self.paths.attempts.attempt("sc", self.paths.files["sc"]):
            return self.kind.draw_pictures(self.image, self.measured)
        return None

    def draw_preview(self) -> Picture | None:
        """Returns the preview, or None if it is not wanted or cannot be drawn."""
        if "preview" in self.paths.files:
            with self.paths.attempts.attempt("preview"):
                return self.kind.draw_preview(self.image, self.measured)
        return None

    def writers(self, shown: Shown) -> dict[str, Callable[[Path], object]]:
        """Returns what writes each file that is wanted, by the kind of result."""
        kind, source = self.kind, self.provenance
        pictures, preview = shown.pictures, shown.preview
        found: dict[str, Callable[[Path], object]] = {}
        if kind.write_turntable:
            found["turntable"] = partial(kind.write_turntable, self.measured, source)
        if preview is not None:
            found["preview"] = partial(write_png, preview)
        found |= {name: partial(self.write_page, shown, name) for name in PAGE_WRITERS}
        if pictures is not None:
            found["sc"] = partial(kind.write_pictures, pictures, source)
        if kind.write_key_objects:
            found["kos"] = partial(kind.write_key_objects, pictures, source)
        return {name: write for name, write in found.items() if name in self.paths.files}

    def write_page(self, shown: Shown, name: str, path: Path) -> None:
        """Writes one form of the page with the summary."""
        figures = self.kind.page_figures(shown.pictures, shown.preview)
        PAGE_WRITERS[name](self.measured, figures, self.provenance, path)


@dataclass(frozen=True, eq=False)
class Shown:
    """What was drawn; None where it could not be drawn."""

    pictures: Pictures | None
    preview: Picture | None


def write_drawings(measured: Segmentation, series: Series, image: Image, paths: ResultPaths) -> None:
    """Writes a file for each picture and each view, one that references the slices of the pictures, and the
    page with the summary.
    """
    drawings = Drawings(measured, paths.provenance(series, measured), image, paths)
    writers = drawings.writers(drawings.draw())

    def write(name: str) -> None:
        path = paths.files[name]
        with paths.attempts.attempt(name, path):
            writers[name](path)

    # Most of their time they draw, scale and compress
    side_by_side(write, writers)


def write_fallbacks(segmentation: Segmentation, series: Series, paths: ResultPaths) -> None:
    """Writes a file for each fallback encoding that is wanted."""
    encodings, provenance = kind_of(segmentation).fallbacks, paths.provenance(series, segmentation)
    for form in filter(paths.files.__contains__, encodings):
        with paths.attempts.attempt(form, paths.files[form]):
            encodings[form](segmentation, provenance, paths.files[form])
