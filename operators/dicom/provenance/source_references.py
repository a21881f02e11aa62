"""Writes references to the source: its instances, and its frames, which highdicom saw as single slices."""

from __future__ import annotations

from collections.abc import Sequence

from pydicom.dataset import Dataset

from operators.dicom.headers.series import Frame, Series
from operators.dicom.provenance.source_headers import is_multi_frame, placeholder_uid


def name_sources(dataset: Dataset, series: Series) -> None:
    """References every instance of the series; highdicom only those it is given, at a higher cost."""
    _name_frames(dataset, series)
    named = series.frames_by_series().items()
    dataset.SourceImageSequence = referenced_instances(series)
    dataset.ReferencedSeriesSequence = [
        _referenced_series(uid, _references(series, frames)) for uid, frames in named
    ]


def referenced_instances(series: Series) -> list[Dataset]:
    """Returns a reference to each instance of the series, which may be parts of several in DICOM's terms."""
    return [each for frames in series.frames_by_series().values() for each in _references(series, frames)]


def _references(series: Series, frames: Sequence[Frame]) -> list[Dataset]:
    """Returns a reference to each instance, once."""
    instances = dict.fromkeys(frame.sop_instance_uid for frame in frames)
    return [_reference(series, uid) for uid in instances]


def _referenced_series(series_instance_uid: str, references: list[Dataset]) -> Dataset:
    item = Dataset()
    item.SeriesInstanceUID = series_instance_uid
    item.ReferencedInstanceSequence = references
    return item


def _name_frames(dataset: Dataset, series: Series) -> None:
    """Replaces the placeholder UIDs of `slice_headers` by instance and frame number (PS3.3 10.3)."""
    if not is_multi_frame(series):
        return
    frames = {placeholder_uid(frame): frame for frame in series.frames}
    for group in dataset.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        if "ReferencedFrameNumber" in source:
            continue  # in highdicom the segments of one slice share the item
        frame = frames[source.ReferencedSOPInstanceUID]
        source.ReferencedSOPClassUID = series.sop_class_uid
        source.ReferencedSOPInstanceUID = frame.sop_instance_uid
        if frame.frame_number is not None:
            source.ReferencedFrameNumber = frame.frame_number


def named_places(dataset: Dataset, series: Series) -> list[int]:
    """Returns for each frame of `dataset` the index of its source among the series' frames."""
    places = {(frame.sop_instance_uid, frame.frame_number): n for n, frame in enumerate(series.frames)}
    groups = dataset.PerFrameFunctionalGroupsSequence
    sources = [group.DerivationImageSequence[0].SourceImageSequence[0] for group in groups]
    return [places[str(each.ReferencedSOPInstanceUID), each.get("ReferencedFrameNumber")] for each in sources]


def nearest(series: Series, k: int) -> Frame:
    """Returns the original slice nearest to index `k`."""
    return min(series.frames, key=lambda frame: abs(frame.k - k))


def reference(frame: Frame, series: Series) -> Dataset:
    """Returns a reference to one original slice (PS3.3 10.3)."""
    item = _reference(series, frame.sop_instance_uid)
    if frame.frame_number is not None:
        item.ReferencedFrameNumber = frame.frame_number
    return item


def _reference(series: Series, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = series.sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
