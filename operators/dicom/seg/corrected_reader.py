"""Reads a corrected SEG as a segmentation, so that it is measured and drawn like the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from operators.dicom.seg.reencode import segment_of
from operators.dicom.seg.seg_difference import same_segment
from operators.dicom.seg.seg_files import read_identity
from operators.dicom.seg.seg_reader import SegmentInfo, read_seg_on, read_segments
from operators.dicom.seg.segment_descriptions import tracking_identifier
from operators.errors import UnsuitableError
from operators.geometry.volume import Grid
from operators.packages.joint import join_packages
from operators.packages.packages import ModelPackage
from operators.segmentation.segmentation import Correction, Segment, Segmentation


def read_corrected(path: Path, original: Path, grid: Grid, packages: Sequence[ModelPackage]) -> Segmentation:
    """Returns a corrected SEG on `grid`, without probabilities, which are those of the prediction.

    Its segments are the bones and fragments of the `original` that they follow or are called after;
    `packages` are those that may have made it. Raises UnreadableError, or UnsuitableError for a segment of
    no bone that they deliver, or for segments of a bone that do not come one after another.
    """
    label_map, infos, former = read_seg_on(path, grid), read_segments(path), read_segments(original)
    counts = np.bincount(label_map.labels.ravel(), minlength=len(infos) + 1)
    ml = grid.voxel_volume_mm3 / 1000
    segments = tuple(
        replace(segment_of(followed(info, former)), volume_ml=float(counts[info.value] * ml))
        for info in infos
    )
    require_in_order(segments)
    uids = {
        tracking_identifier(segment): info.tracking_uid
        for segment, info in zip(segments, infos, strict=True)
        if info.tracking_uid
    }
    correction = Correction(read_identity(path).sop_instance_uid, uids)
    return Segmentation(label_map, segments, package_of(segments, packages), correction=correction)


def followed(info: SegmentInfo, former: tuple[SegmentInfo, ...]) -> SegmentInfo:
    """Returns a segment with the bone and the fragment of the one that it follows, if it follows one."""
    found = same_segment(info, former)
    return replace(info, bone=found.bone, fragment=found.fragment) if found else info


def require_in_order(segments: Sequence[Segment]) -> None:
    """Raises UnsuitableError if the segments of a bone are apart, as everything that is shown lists bones."""
    bones = [segment.bone for segment in segments]
    runs = [bone for n, bone in enumerate(bones) if n == 0 or bones[n - 1] != bone]
    if len(runs) > len(set(runs)):
        raise UnsuitableError("expected the fragments of a bone one after another in the SEG, they are apart")


def package_of(segments: Sequence[Segment], packages: Sequence[ModelPackage]) -> ModelPackage:
    """Returns the packages that deliver the segments' bones as one. Raises UnsuitableError."""
    bones = {segment.bone for segment in segments}
    makers = [each for each in packages if each.levels or bones & {label.name for label in each.labels}]
    known = {label.name for each in makers for label in each.labels}
    strange = sorted(bones - known)
    if not makers or (strange and not any(each.levels for each in makers)):
        got = ", ".join(strange) or "none"
        raise UnsuitableError(f"expected segments of bones that the packages in use deliver, got {got}")
    return join_packages(makers)
