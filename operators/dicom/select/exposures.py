"""Which radiographs are of one exposure: values of the detector, and images made of them to be shown."""

from __future__ import annotations

from collections.abc import Sequence

from operators.dicom.elements.attributes import hint, items
from operators.dicom.headers.series import Series
from operators.dicom.pixels.grey_pipeline import is_for_processing
from operators.errors import UnreadableError


def presentation_of(series: Series, others: Sequence[Series]) -> Series | None:
    """The image for presentation of the exposure whose image for processing `series` is; None without one.

    Both are of one exposure where they have an IrradiationEventUID in common, or where one names the other in
    its SourceImageSequence (PS3.3 C.7.6.1, C.8.11.1): the standard keeps both in series of their own.
    """
    if not series.is_projection or not is_for_processing(series.header):
        return None
    return next((other for other in others if _is_presentation_of(other, series)), None)


def _is_presentation_of(other: Series, series: Series) -> bool:
    if not other.is_projection or is_for_processing(other.header):
        return False
    if other.study_instance_uid != series.study_instance_uid:
        return False
    if _events(other) & _events(series):
        return True
    return bool(_sources(other) & _uids(series) or _sources(series) & _uids(other))


def _events(series: Series) -> set[str]:
    return set(filter(None, hint((series.header,), "IrradiationEventUID").split("\\")))


def _uids(series: Series) -> set[str]:
    return {frame.sop_instance_uid for frame in series.frames}


def _sources(series: Series) -> set[str]:
    try:
        references = items(series.header, "SourceImageSequence")
    except UnreadableError:
        return set()
    return set(filter(None, (hint((each,), "ReferencedSOPInstanceUID") for each in references)))
