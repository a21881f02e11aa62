"""What is measured, drawn and written of each type of image: the table IMAGE_KINDS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operators.dicom.capture.key_objects import write_key_objects
from operators.dicom.capture.secondary_captures import check_picture, write_pictures, write_turntable
from operators.dicom.fallback_encodings import FALLBACK_ENCODINGS, PROJECTION_ENCODINGS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.provenance import Provenance
from operators.dicom.provenance.result_check import ResultName
from operators.dicom.seg.projection_seg import check_projection_seg, write_projection_seg
from operators.dicom.seg.seg_check import check_seg
from operators.dicom.seg.seg_writer import write_seg
from operators.dicom.sr.report_check import check_projection_report, check_report
from operators.dicom.sr.report_writer import write_report
from operators.errors import OutputError
from operators.measure.flags import flag_result
from operators.measure.measuring import measure_segments
from operators.measure.projection_flags import measure_and_flag
from operators.render.fracture_pictures import FracturePicture, fracture_pictures
from operators.render.page.figures import fracture_figures, radiograph_figures
from operators.render.page.sheet import Captioned
from operators.render.preview import draw_preview
from operators.render.projection_pictures import draw_outlines, projection_pictures
from operators.render.surface_view import Picture
from operators.render.turntable import draw_turntable
from operators.segmentation.segmentation import Segmentation

Pictures = tuple[Any, ...]


@dataclass(frozen=True)
class ImageKind:
    """The functions for one type of image, a CtVolume or Projection, the first argument of those that see it.

    `preview_among` gives the preview from what `draw_pictures` gives, where it is one of the pictures.
    `draw_pictures` gives what `write_pictures` writes as secondary captures; `write_key_objects` is given the
    same, or None where they could not be drawn; `page_figures` chooses those of the summary page among them
    and the preview. A result that does not exist for the type has no function.
    `write_seg` takes a profile last and `write_report` the path of the SEG third. `fallbacks` is by the rows
    of FALLBACK_ENCODINGS. The checks read a result again before it is sent, and raise OutputError.
    """

    measure_and_flag: Callable[[Any, Segmentation], Segmentation]
    draw_preview: Callable[[Any, Segmentation], Picture]
    preview_among: Callable[[Pictures], Picture] | None
    draw_pictures: Callable[[Any, Segmentation], Pictures]
    write_seg: Callable[[Segmentation, Provenance, Path, str], object]
    write_report: Callable[[Segmentation, Provenance, Path, Path], object]
    write_pictures: Callable[[Pictures, Provenance, Path], object]
    write_key_objects: Callable[[Pictures | None, Provenance, Path], object] | None
    write_turntable: Callable[[Segmentation, Provenance, Path], object] | None
    page_figures: Callable[[Any, Picture | None], tuple[Captioned, ...]]
    fallbacks: Mapping[str, Callable[[Segmentation, Provenance, Path], object]]
    check_seg: Callable[[Path, Segmentation, Series], ResultName]
    check_report: Callable[[Path, str | None, Series], ResultName]
    check_picture: Callable[[Path, Series], ResultName]


def _write_key_slices(
    pictures: tuple[FracturePicture, ...] | None, provenance: Provenance, path: Path
) -> None:
    if pictures is None:
        raise OutputError("expected pictures to point to, got none", code="no_picture")
    write_key_objects(pictures, provenance, path)


# By what a package reads
IMAGE_KINDS: dict[str, ImageKind] = {
    "volume": ImageKind(
        measure_and_flag=lambda volume, made: flag_result(measure_segments(made, volume), volume),
        draw_preview=lambda volume, made: draw_preview(volume, made.label_map, made.segments),
        preview_among=None,
        draw_pictures=fracture_pictures,
        write_seg=write_seg,
        write_report=write_report,
        write_pictures=write_pictures,
        write_key_objects=_write_key_slices,
        write_turntable=lambda made, source, path: write_turntable(draw_turntable(made), source, path),
        page_figures=fracture_figures,
        fallbacks=FALLBACK_ENCODINGS,
        check_seg=check_seg,
        check_report=check_report,
        check_picture=check_picture,
    ),
    "projection": ImageKind(
        measure_and_flag=measure_and_flag,
        draw_preview=draw_outlines,
        preview_among=lambda pictures: pictures[0].rgb,
        draw_pictures=projection_pictures,
        write_seg=write_projection_seg,
        write_report=write_report,
        write_pictures=write_pictures,
        write_key_objects=None,  # there is one image, and all results refer to it
        write_turntable=None,
        page_figures=radiograph_figures,
        fallbacks=PROJECTION_ENCODINGS,
        check_seg=check_projection_seg,
        check_report=check_projection_report,
        check_picture=check_picture,
    ),
}


def kind_of(segmentation: Segmentation) -> ImageKind:
    """Returns the row for what the package of a segmentation reads."""
    return IMAGE_KINDS[segmentation.package.reads]
