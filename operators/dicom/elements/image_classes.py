"""Which instances of a study are images, and which of these could be segmented (PS3.4 B.5)."""

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

# New instances of these make a job. No result of Osteon's is of any of them.
SEGMENTABLE = frozenset(
    map(
        str,
        (
            CTImageStorage,
            EnhancedCTImageStorage,
            LegacyConvertedEnhancedCTImageStorage,
            ComputedRadiographyImageStorage,
            DigitalXRayImageStorageForPresentation,
            DigitalXRayImageStorageForProcessing,
        ),
    )
)
# Images of which each is a radiograph of its own, if it is one at all: a secondary capture may be anything
PROJECTIONS = frozenset(
    map(
        str,
        (
            ComputedRadiographyImageStorage,
            DigitalXRayImageStorageForPresentation,
            DigitalXRayImageStorageForProcessing,
            SecondaryCaptureImageStorage,
            MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
            MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        ),
    )
)
# PS3.6 annex A names the SOP classes with Pixel Data "... Image Storage"; of these, pictures of a screen.
_IMAGE, _CAPTURE = "Image Storage", "Secondary Capture"


def is_segmentable(sop_class_uid: str) -> bool:
    """Whether a segmentation could be made of an instance of the class."""
    return sop_class_uid in SEGMENTABLE


def is_projection(sop_class_uid: str) -> bool:
    """Whether instances of the class are read as radiographs, one by one."""
    return sop_class_uid in PROJECTIONS


@cache
def is_acquired(sop_class_uid: str) -> bool:
    """Whether an instance of the class is an image of a patient, and no picture, segmentation or report."""
    name = UID(sop_class_uid).name
    return _IMAGE in name and _CAPTURE not in name
