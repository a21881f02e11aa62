"""The rules by which a package of radiographs takes a series or refuses it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from operators.dicom.elements.attributes import code_string, hint, items, values
from operators.dicom.elements.image_classes import CAPTURES
from operators.dicom.headers.series import Series
from operators.dicom.pixels.grey_pipeline import is_for_processing
from operators.dicom.pixels.projection_reader import require_projection
from operators.dicom.select.selection_rules import Reason, Rule, identity, modality, sop_class
from operators.errors import UnreadableError, UnsuitableError
from operators.packages.packages import ModelPackage

# PS3.3 C.7.3.1.1.1: other X-ray images of one projection, which look unlike a radiograph of bones
OTHER_KINDS = {
    "MG": "mammography",
    "IO": "intra-oral radiography",
    "PX": "panoramic radiography of the jaws",
    "RF": "fluoroscopy",
    "XA": "angiography",
}
# PS3.3 C.8.6.1, C.7.3.1.1.1: the modality of a secondary capture is what acquired its data in the first place
X_RAY = ("CR", "DX", "RG")
# PS3.3 C.8.6.1, Conversion Type: films and images that were scanned, and what came by a digital interface
SCANNED = ("DF", "SI")
CONVERTED = (*SCANNED, "DI")
# Value 3 and on of ImageType (PS3.3 C.7.6.1.1.2), and DerivationDescription: what shows no radiograph, or one
# that has lost its bones or was drawn on. Words known in use, not a published list, and it may be too short
_NO_RADIOGRAPH = re.compile(
    r"SCREEN.?(?:SAVE|CAPTURE|SHOT)|REPORT|DOSE.?(?:INFO|SHEET)|SUBTRACT|SUPPRES|SOFT.?TISSUE.?ONLY|"
    r"TOMOSYNTHESIS|HEAT.?MAP|SALIENCY|ANNOTAT|OVERLAY|\bCAD\b|HISTOGRAM|\bGRAPH\b|LOCALIZER|SUMMARY",
    re.IGNORECASE,
)


def is_x_ray(series: Series) -> bool:
    """Returns whether a series holds radiographs or other images of one projection, by class or modality."""
    return series.is_projection or series.modality in (*X_RAY, *OTHER_KINDS)


def other_kind(series: Series, package: ModelPackage, _: Sequence[ModelPackage]) -> Reason | None:
    """X-ray images of another kind, by their modality."""
    if series.modality not in OTHER_KINDS or series.modality in package.accepts.modalities:
        return None
    wanted = " or ".join(package.accepts.modalities)
    got = f"{series.modality}, which is {OTHER_KINDS[series.modality]}"
    return "other_modality", f"expected a radiograph of modality {wanted}, got {got}"


def projection(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """Returns one radiograph."""
    if series.is_projection:
        return None
    return "not_a_projection", f"expected a radiograph, got an image of modality {series.modality or 'none'}"


def radiograph(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """Returns a secondary capture must say that it shows a radiograph: it may be a picture of anything.

    It does where its modality, the source of its data, is that of radiographs and it came from a film or
    through a digital interface; or where it is a scanned film of another modality that the package reads,
    such as OT, and names a body part. A workstation's capture (WSD) is a picture of a screen; what names a
    source image was made from it.
    """
    if series.sop_class_uid not in CAPTURES:
        return None
    header = (series.header,)
    conversion = code_string(header, "ConversionType")
    if _is_made_from_images(series):
        return _not_a_radiograph("a picture that was made from another image")
    if series.modality in X_RAY and conversion in (*CONVERTED, ""):
        return None
    if series.modality not in X_RAY and conversion in SCANNED and series.body_part:
        return None
    return _not_a_radiograph(
        f"a secondary capture of modality {series.modality or 'none'}, conversion type {conversion or 'none'}"
        f" and {'no' if not series.body_part else 'a'} body part"
    )


def _is_made_from_images(series: Series) -> bool:
    try:
        return bool(values((series.header,), "SourceImageSequence"))
    except UnreadableError:
        return True


def _not_a_radiograph(got: str) -> Reason:
    return "not_a_radiograph", f"expected a radiograph, got {got}"


def shows_bones(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """No picture of a screen, no report, and nothing that took the bones away."""
    for value in series.image_type[2:]:
        if _NO_RADIOGRAPH.search(value):
            return _not_a_radiograph(f"an image of type {value}")
    if _NO_RADIOGRAPH.search(hint((series.header,), "DerivationDescription")):
        return _not_a_radiograph("one whose DerivationDescription names another image")
    return None


def readable(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """Returns one image of a radiograph's size, with pixels that can be decoded."""
    try:
        require_projection(series)
    except UnsuitableError as error:
        return error.code, str(error)
    return None


# In this order: the first reason is the one that is told.
PROJECTION_RULES: tuple[Rule, ...] = (
    other_kind,
    projection,
    modality,
    sop_class,
    radiograph,
    shows_bones,
    readable,
    identity,
)


def presentation_of(series: Series, others: Sequence[Series]) -> Series | None:
    """Returns the image for presentation of the exposure whose raw image `series` is; else None.

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
