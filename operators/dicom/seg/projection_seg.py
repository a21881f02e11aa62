"""Writes the findings of a radiograph as a DICOM SEG on its own pixels: one segment and frame for each.

A radiograph has no frame of reference; its SEG has none either, and each frame references its source image
(PS3.3 A.51: Pixel Measures, Plane Position and Plane Orientation may be absent if Derivation Image is
present). Pixel Measures are left out although the spacing may be known: viewers take it from the radiograph,
which says whether it applies in the patient or at the detector, and a SEG could not.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
from pydicom import dcmread

from operators.dicom.elements.atomic_file import write_whole
from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.identity import decode_texts
from operators.dicom.provenance.provenance import Provenance
from operators.dicom.provenance.result_check import ResultName, unlike
from operators.dicom.provenance.source_headers import projection_header, stated_orientation
from operators.dicom.seg.seg_check import check_seg
from operators.dicom.seg.seg_writer import Write, assemble_seg, encode_label_map, segment_numbers
from operators.segmentation.segmentation import Segment, Segmentation

CONTENT_LABEL = "FRACTURES"


def write_projection_seg(
    segmentation: Segmentation, provenance: Provenance, path: Path, profile: str = "binary"
) -> Path | None:
    """Writes a SEG (PS3.3 A.51) of a radiograph; `profile` is "binary" or "labelmap". Raises OutputError.

    Without segments it writes no file, removes that of an earlier run at `path`, and returns None.
    """
    segments = drawn_segments(segmentation)
    if not segments:
        path.unlink(missing_ok=True)
        return None
    return write_whole(path, make_projection_seg(segmentation, segments, provenance, profile))


def drawn_segments(segmentation: Segmentation) -> tuple[Segment, ...]:
    """Returns the segments that have pixels, in their order; index + 1 is the Segment Number."""
    present = set(np.flatnonzero(np.bincount(segmentation.label_map.labels.ravel(order="K"))).tolist())
    return tuple(segment for segment in segmentation.segments if segment.value in present)


def make_projection_seg(
    segmentation: Segmentation, segments: tuple[Segment, ...], provenance: Provenance, profile: str
) -> Write:
    """Builds the SEG without writing it; the same input gives the same UIDs."""
    labels = segmentation.label_map.labels
    numbers = segment_numbers(segments, labels.dtype)[labels[:, :, 0].T]
    header = decode_texts(provenance.series.header)
    source = projection_header(provenance.series, header)
    dataset = assemble_seg(
        numbers[np.newaxis], segments, [source], header, provenance, profile, CONTENT_LABEL
    )
    # Type 2C (PS3.3 C.7.6.1): present if there is no position and orientation in the patient
    dataset.PatientOrientation = stated_orientation(provenance.series)
    if profile == "labelmap":
        return encode_label_map(dataset, [numbers])
    return partial(dataset.save_as, enforce_file_format=True)


def check_projection_seg(path: Path, segmentation: Segmentation, series: Series) -> ResultName:
    """Raises OutputError if the file does not hold the labels, on the same radiograph and patient."""
    name = check_seg(path, segmentation, series)
    try:
        dataset = dcmread(path, stop_before_pixels=True)
        groups = dataset.PerFrameFunctionalGroupsSequence
        sources = [group.DerivationImageSequence[0].SourceImageSequence[0] for group in groups]
        named = {(str(each.ReferencedSOPInstanceUID), each.get("ReferencedFrameNumber")) for each in sources}
    except READ_ERRORS as error:
        raise unlike("a SEG whose frames name the radiograph", "one that cannot be read back") from error
    if named != {(frame.sop_instance_uid, frame.frame_number) for frame in series.frames}:
        raise unlike("frames on the radiograph that was read", "frames on another image")
    return name
