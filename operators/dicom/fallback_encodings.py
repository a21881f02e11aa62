"""Fallback encodings of a segmentation, for a PACS that accepts no SEG."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from operators.dicom.provenance.provenance import Provenance
from operators.dicom.provenance.result_check import ResultName, check_result
from operators.dicom.rtstruct.rtstruct_writer import write_structures
from operators.dicom.seg.projection_seg import write_projection_seg
from operators.dicom.seg.reencode import read_provenance
from operators.dicom.seg.seg_writer import write_seg
from operators.segmentation.segmentation import Segmentation

FALLBACK_ENCODINGS: dict[str, Callable[[Segmentation, Provenance, Path], Path]] = {
    "labelmap": partial(write_seg, profile="labelmap"),
    "rtstruct": write_structures,
}

PROJECTION_ENCODINGS: dict[str, Callable[[Segmentation, Provenance, Path], Path | None]] = {
    "labelmap": partial(write_projection_seg, profile="labelmap"),
    "rtstruct": write_structures,  # which refuses
}
# By what a package reads
ENCODINGS: dict[str, Mapping[str, Callable[[Segmentation, Provenance, Path], Path | None]]] = {
    "volume": FALLBACK_ENCODINGS,
    "projection": PROJECTION_ENCODINGS,
}


def write_fallback(form: str, seg: Path, path: Path) -> ResultName:
    """Writes one of Osteon's own SEGs in another form, a key of FALLBACK_ENCODINGS; the same SEG gives the
    same file.

    Raises OutputError, UnreadableError, or UnsuitableError for a SEG that Osteon did not write.
    """
    segmentation, provenance = read_provenance(seg)
    ENCODINGS[segmentation.package.reads][form](segmentation, provenance, path)
    return check_result(path, provenance.series)
