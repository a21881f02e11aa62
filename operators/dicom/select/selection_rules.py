"""The table of rules by which a package accepts a series or refuses it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache

from pydicom.sr.codedict import codes

from operators.dicom.elements.attributes import hint
from operators.dicom.headers.series import Series
from operators.dicom.hounsfield.hounsfield_header import Facts, refusal
from operators.dicom.pixels.volume_reader import require_readable
from operators.dicom.read.kinds import is_localizer
from operators.errors import UnreadableError
from operators.packages.packages import ModelPackage

# A rule returns the reason for a refusal, a code and a sentence, or None.
Reason = tuple[str, str]
Rule = Callable[[Series, ModelPackage, Sequence[ModelPackage]], Reason | None]

# Images whose pixels are no longer Hounsfield units of a plane: values 3 and on of ImageType (PS3.3
# C.7.6.1.1.2); the words are those known in use, not a published list, which may be incomplete.
NOT_A_PLANE = frozenset(
    {
        "MIP",
        "MINIP",
        "MAX_IP",
        "MIN_IP",
        "PROJECTION IMAGE",
        "MEAN_IP",
        "VOLUME RENDER",
        "SURFACE RENDER",
        "VRT",
        "SSD",
        "SCREEN SAVE",
        "SCREEN CAPTURE",
        "PERFUSION",
        "SUBTRACTION",
        "EVALUATION",
        "DOSE_INFO",
    }
)
# Words in a BodyPartExamined that mean the whole body: no package ranks lower because of them.
_ANY_REGION = ("BODY", "UNKNOWN", "OTHER")


def modality(series: Series, package: ModelPackage, offered: Sequence[ModelPackage]) -> Reason | None:
    """Requires a modality that the package reads; the sentence names those of all packages, or of this one
    where another reads the series' modality.
    """
    if series.modality in package.accepts.modalities:
        return None
    read = dict.fromkeys(name for each in offered for name in each.accepts.modalities)
    wanted = package.accepts.modalities if series.modality in read else read
    return "other_modality", f"expected modality {' or '.join(wanted)}, got {series.modality or 'none'}"


def sop_class(series: Series, package: ModelPackage, _: Sequence[ModelPackage]) -> Reason | None:
    """Requires a SOP class that the package reads."""
    wanted = package.accepts.sop_class_uids
    if series.sop_class_uid in wanted:
        return None
    got = series.sop_class_uid or "none"
    return "other_sop_class", f"expected SOP class {' or '.join(wanted)}, got {got}"


def localizer(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """Refuses scout views, which show one projection."""
    if is_localizer(series.image_type):
        return "localizer", "expected slices, got a localizer"
    return None


def hounsfield(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """Refuses values of another quantity by the header; the image decides doubtful ones when it is read."""
    return refusal(Facts.of(series))


def derived(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """Refuses projections, renderings and maps; reformatted planes only rank lower."""
    found = sorted(NOT_A_PLANE.intersection(value.upper() for value in series.image_type))
    if found:
        return "derived_image", f"expected slices in Hounsfield units, got an image of type {found[0]}"
    return None


def names_other_region(series: Series, package: ModelPackage, packages: Sequence[ModelPackage]) -> bool:
    """Returns whether the headers clearly name a region that is not the package's; this only lowers the rank.

    Body parts and descriptions are copied from protocols and studies, and often name less than the images
    show.
    """
    words = package.accepts.body_parts
    named, source = series.body_part, "body part"
    if not named or any(word in _letters(named) for word in _ANY_REGION):
        named, source = f"{series.description} {hint((series.header,), 'StudyDescription')}", "description"
    if not words or _names(named, words):
        return False
    others = [word for other in packages for word in other.accepts.body_parts]
    return _names(named, others) or (source == "body part" and _letters(named) in _regions())


def _letters(text: str) -> str:
    return re.sub(r"[^A-Z0-9]", "", text.upper())


def _names(text: str, words: Sequence[str]) -> bool:
    """Returns whether a text contains one of the words; some terms, as CHESTABDOMEN, have no spaces."""
    return any(_letters(word) in _letters(text) for word in words)


@cache
def _regions() -> frozenset[str]:
    """Returns DICOM's terms of body regions (PS3.16 CID 4031, as in pydicom), as bare capitals."""
    return frozenset(_letters(keyword) for keyword in codes.CID4031.trait_names() if keyword[0].isupper())


def identity(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """Requires study and series UIDs: a result must name them, and no identity is ever invented."""
    if series.study_instance_uid and series.series_instance_uid:
        return None
    return "missing_uid", "expected a StudyInstanceUID and a SeriesInstanceUID, got none"


def readable(series: Series, _: ModelPackage, __: Sequence[ModelPackage]) -> Reason | None:
    """Requires a grid, and pixels that can be decoded."""
    try:
        require_readable(series)
    except UnreadableError as error:
        return error.code, str(error)
    return None


def slices(series: Series, package: ModelPackage, _: Sequence[ModelPackage]) -> Reason | None:
    """Requires as many slices as the package needs."""
    least = package.accepts.minimum_slices
    if len(series.frames) >= least:
        return None
    return "too_few_slices", f"expected at least {least} slices, got {len(series.frames)}"


def slice_spacing(series: Series, package: ModelPackage, _: Sequence[ModelPackage]) -> Reason | None:
    """Requires slices close enough for the networks."""
    return slice_spacing_fault(_spacing_mm(series)[2], package.accepts.maximum_slice_spacing_mm)


def slice_spacing_fault(got_mm: float, most_mm: float) -> Reason | None:
    """Returns why slices lie too far apart; None if they do not."""
    if got_mm <= most_mm:
        return None
    return "slices_too_far_apart", f"expected slices at most {most_mm:g} mm apart, got {got_mm:.2f} mm"


def pixel_spacing(series: Series, package: ModelPackage, _: Sequence[ModelPackage]) -> Reason | None:
    """Requires pixels small enough for the networks."""
    most, got = package.accepts.maximum_pixel_spacing_mm, max(_spacing_mm(series)[:2])
    if got <= most:
        return None
    return "pixels_too_large", f"expected pixels of at most {most:g} mm, got {got:.2f} mm"


def extent(series: Series, package: ModelPackage, _: Sequence[ModelPackage]) -> Reason | None:
    """Requires enough of the body along every axis."""
    shape = series.grid.shape if series.grid else (0, 0, 0)
    return extent_fault(shape, _spacing_mm(series), package.accepts.minimum_extent_mm)


def extent_fault(shape: Sequence[int], spacing_mm: Sequence[float], least_mm: float) -> Reason | None:
    """Returns why an image shows too little of the body; None if it shows enough along each axis."""
    got_mm = min(n * step for n, step in zip(shape, spacing_mm, strict=True))
    if got_mm >= least_mm:
        return None
    return "extent_too_small", f"expected at least {least_mm:g} mm along each axis, got {got_mm:.1f} mm"


def _spacing_mm(series: Series) -> tuple[float, float, float]:
    return series.grid.spacing_mm if series.grid else (0.0, 0.0, 0.0)


# The order matters: the first reason is the one that is reported.
VOLUME_RULES: tuple[Rule, ...] = (
    modality,
    sop_class,
    localizer,
    hounsfield,
    derived,
    readable,
    slices,
    slice_spacing,
    pixel_spacing,
    extent,
    identity,
)
