"""References to the source: its instances, and its frames, which highdicom was shown as single slices."""

from __future__ import annotations

from pydicom.dataset import Dataset

from operators.dicom.series import Frame, Series
from operators.dicom.source_headers import stand_in_uid


def name_sources(dataset: Dataset, series: Series) -> None:
    """Names every instance of the series, as highdicom would at more cost those that it is shown."""
    _name_frames(dataset, series)
    instances = dict.fromkeys(frame.sop_instance_uid for frame in series.frames)
    references = [_reference(series, uid) for uid in instances]
    dataset.SourceImageSequence = references
    dataset.ReferencedSeriesSequence[0].ReferencedInstanceSequence = references


def _name_frames(dataset: Dataset, series: Series) -> None:
    """Puts instance and frame number (PS3.3 10.3) where the stand-in UIDs of `slice_headers` are."""
    if series.frames[0].frame_number is None:
        return
    frames = {stand_in_uid(frame): frame for frame in series.frames}
    for group in dataset.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        if "ReferencedFrameNumber" in source:
            continue  # highdicom has the segments of one slice share the item
        frame = frames[source.ReferencedSOPInstanceUID]
        source.ReferencedSOPClassUID = series.sop_class_uid
        source.ReferencedSOPInstanceUID = frame.sop_instance_uid
        source.ReferencedFrameNumber = frame.frame_number


def named_places(dataset: Dataset, series: Series) -> list[int]:
    """The place among the series' frames that each frame of `dataset` was made from."""
    places = {(frame.sop_instance_uid, frame.frame_number): n for n, frame in enumerate(series.frames)}
    groups = dataset.PerFrameFunctionalGroupsSequence
    sources = [group.DerivationImageSequence[0].SourceImageSequence[0] for group in groups]
    return [places[str(each.ReferencedSOPInstanceUID), each.get("ReferencedFrameNumber")] for each in sources]


def nearest(series: Series, k: int) -> Frame:
    """The original slice that is shown."""
    return min(series.frames, key=lambda frame: abs(frame.k - k))


def reference(frame: Frame, series: Series) -> Dataset:
    """One original slice (PS3.3 10.3)."""
    item = _reference(series, frame.sop_instance_uid)
    if frame.frame_number is not None:
        item.ReferencedFrameNumber = frame.frame_number
    return item


def _reference(series: Series, sop_instance_uid: str) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = series.sop_class_uid
    item.ReferencedSOPInstanceUID = sop_instance_uid
    return item
