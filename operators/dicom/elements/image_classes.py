"""Tells by SOP class which instances are images, and which of these can be segmented (PS3.4 B.5)."""

from __future__ import annotations

from functools import cache

from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
)

_RADIOGRAPHS = frozenset(
    (
        ComputedRadiographyImageStorage,
        DigitalXRayImageStorageForPresentation,
        DigitalXRayImageStorageForProcessing,
    )
)
CAPTURES_OF_FRAMES = frozenset(
    (
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    )
)
# Pictures of one or several frames that may show anything
CAPTURES = CAPTURES_OF_FRAMES | {SecondaryCaptureImageStorage}
# New instances of these classes create a job. No result of Osteon has one of these classes.
SEGMENTABLE = _RADIOGRAPHS | {CTImageStorage, EnhancedCTImageStorage, LegacyConvertedEnhancedCTImageStorage}
# Images of which each may be a separate radiograph
PROJECTIONS = _RADIOGRAPHS | CAPTURES
# PS3.6 annex A names the SOP classes with Pixel Data "... Image Storage"; some of these are screen captures.
_IMAGE, _CAPTURE = "Image Storage", "Secondary Capture"


def is_segmentable(sop_class_uid: str) -> bool:
    """Returns whether instances of the class can be segmented."""
    return sop_class_uid in SEGMENTABLE


def is_projection(sop_class_uid: str) -> bool:
    """Returns whether instances of the class are read as radiographs, one by one."""
    return sop_class_uid in PROJECTIONS


def is_radiograph(sop_class_uid: str) -> bool:
    """Returns whether instances of the class are CR or DX images, and no captures of anything."""
    return sop_class_uid in _RADIOGRAPHS


@cache
def is_acquired(sop_class_uid: str) -> bool:
    """Returns whether instances of the class are images of a patient, not captures, SEGs or reports."""
    name = UID(sop_class_uid).name
    return _IMAGE in name and _CAPTURE not in name
