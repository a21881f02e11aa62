"""Osteon as a library: read an image, segment bones and fractures, write and evaluate results.

    import osteon

    scan = osteon.read("study/")             # DICOM, a zip of it, NIfTI, NRRD, MetaImage; PNG or JPEG
    result = osteon.segment(scan)
    for segment in result.segments:
        print(segment.label, round(segment.volume_ml), "ml")
    result.write_seg("segmentation.dcm")                 # only for a scan read from DICOM
    result.write_nifti("segmentation.nii.gz")
    (case,) = osteon.evaluate("segmentation.nii.gz", "truth.nii.gz", package="...")
    print(case.metrics.anatomy.iou)

For research, not for clinical use. All errors are subclasses of `OsteonError`; their text says what was
expected and what was found.
"""

from __future__ import annotations

from app.settings import SOFTWARE_VERSION
from operators.errors import (
    ModelError,
    OsteonError,
    OutputError,
    UnreadableError,
    UnsuitableError,
    UsageError,
)
from osteon.evaluating import evaluate
from osteon.reading import Scan, read
from osteon.segmenting import Result, segment

__version__ = SOFTWARE_VERSION
__all__ = [
    "ModelError",
    "OsteonError",
    "OutputError",
    "Result",
    "Scan",
    "UnreadableError",
    "UnsuitableError",
    "UsageError",
    "__version__",
    "evaluate",
    "read",
    "segment",
]
