"""Reads a written SEG back and compares it with its source."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import dcmread

from operators.dicom.headers.headers import READ_ERRORS
from operators.dicom.headers.series import Series
from operators.dicom.provenance.result_check import ResultName, checked, unlike
from operators.dicom.seg.seg_reader import read_seg_on
from operators.errors import UnreadableError
from operators.geometry.volume import Labels, background
from operators.segmentation.segmentation import Segmentation


def check_seg(path: Path, segmentation: Segmentation, series: Series) -> ResultName:
    """Raises OutputError if the file does not hold the labels, in their positions, of the same patient."""
    try:
        header = dcmread(path, stop_before_pixels=True)
        got = read_seg_on(path, segmentation.label_map.grid).labels
    except (UnreadableError, *READ_ERRORS) as error:
        raise unlike("a SEG that can be read back", "one that cannot") from error
    expected = expected_labels(segmentation, series)
    if not np.array_equal(got, expected):
        count = int(np.count_nonzero(got != expected))
        raise unlike("the labels that were written", f"{count} voxels that differ")
    return checked(header, series)


def expected_labels(segmentation: Segmentation, series: Series) -> Labels:
    """Returns segment numbers on the slices of the series; other slices of the grid hold none."""
    labels = segmentation.label_map.labels
    last = labels.shape[2] - 1
    slices = sorted({min(max(round(frame.k), 0), last) for frame in series.frames})
    present = set(np.unique(labels[:, :, slices]).tolist())
    values = [segment.value for segment in segmentation.segments if segment.value in present]
    numbers = background((np.iinfo(labels.dtype).max + 1,), len(values))
    numbers[values] = np.arange(1, len(values) + 1)
    expected = background(labels.shape, len(values))
    expected[:, :, slices] = numbers[labels[:, :, slices]]
    return expected
