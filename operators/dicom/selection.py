"""Which series go to which package, and why the others do not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from operators.dicom.hounsfield_header import doubts
from operators.dicom.scan import Scan
from operators.dicom.selection_rules import RULES, Reason
from operators.dicom.series import Series
from operators.errors import UsageError
from operators.imaging.packages import ModelPackage

# All codes that a refusal can have, for the reader of a log.
REASONS = {
    "other_modality": "not of a modality that the package reads",
    "other_sop_class": "not of a SOP class that the package reads",
    "localizer": "a scout view",
    "rescale_type": "values of another quantity than Hounsfield units",
    "modality_lut": "values that are looked up in a table",
    "windowed": "a window of the values, not all of them",
    "derived_image": "a projection, rendering or map",
    "other_body_region": "names another region of the body",
    "missing_position": "no ImagePositionPatient",
    "missing_orientation": "no ImageOrientationPatient",
    "missing_spacing": "no PixelSpacing",
    "bad_orientation": "direction cosines that are not perpendicular unit vectors",
    "no_frame_of_reference": "no FrameOfReferenceUID",
    "no_image": "no pixels",
    "one_slice": "a single slice",
    "missing_slices": "more slices missing than may be interpolated",
    "irregular_spacing": "slices at uneven distances",
    "irregular_position": "slices beside each other rather than behind each other",
    "too_large": "more voxels than can be held",
    "bad_photometric_interpretation": "colour, or an unknown kind of grey",
    "bad_bits_allocated": "pixels of an unknown size",
    "unsupported_transfer_syntax": "compressed in a way that cannot be read",
    "too_few_slices": "fewer slices than the package needs",
    "slices_too_far_apart": "slices too far apart for the package",
    "pixels_too_large": "pixels too large for the package",
    "extent_too_small": "less of the body than the package needs",
    "missing_uid": "no study or series UID",
    "another_series_chosen": "a better series of the same study was chosen",
    "no_package": "no package to offer it to",
}
# A slice normal within 45 degrees of the patient's long axis makes an axial stack.
_AXIAL_COSINE = 0.7
# Slice thicknesses that differ by less than this count as alike, so that coverage decides.
_THICKNESS_STEP_MM = 0.25
# Edge-enhancing kernels, which show thin fracture lines: Siemens B/H/Br/Hr/Bl 60 and above, GE
# BONE and EDGE, Philips YC to YE and D, Canon FC30 to FC39. Names as known in use, not checked against
# the manufacturers' documents: they only break a tie.
_SHARP_KERNEL = re.compile(r"^(?:[BH][A-Z]?[6-9]\d|BONE|EDGE|Y-?[C-E]\b|D\b|FC3\d)", re.IGNORECASE)

Rank = tuple[tuple[int, int], bool, bool, int, float, int, bool, str, str]


@dataclass(frozen=True, eq=False)
class Selection:
    """A series that a package will read."""

    series: Series
    package: ModelPackage
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Refusal:
    """A series that no package reads: `code` is a key of REASONS; `package` the one that came closest."""

    series: Series
    code: str
    text: str
    package: ModelPackage | None = None


Outcome = Selection | Refusal


def select(
    scan: Scan, packages: Sequence[ModelPackage], package_name: str | None = None
) -> tuple[Outcome, ...]:
    """An outcome for every series, in the scan's order; a series that two packages chose has two."""
    offered = _offered(packages, package_name)
    by_package = [_of_package(scan.series, package, offered) for package in offered]
    return tuple(
        outcome
        for n, series in enumerate(scan.series)
        for outcome in _settled(series, [outcomes[n] for outcomes in by_package])
    )


def _offered(packages: Sequence[ModelPackage], name: str | None) -> list[ModelPackage]:
    if name is None:
        return list(packages)
    offered = [package for package in packages if package.name == name]
    if not offered:
        known = ", ".join(sorted(package.name for package in packages))
        raise UsageError(f"expected a package of {known or 'none'}, got {name}", code="no_such_package")
    return offered


def _of_package(
    series: Sequence[Series], package: ModelPackage, offered: Sequence[ModelPackage]
) -> list[Outcome]:
    """One outcome for each series: the best of those that fit in a study, reasons for the others."""
    reasons = [_reason(each, package, offered) for each in series]
    fitting = [each for each, reason in zip(series, reasons, strict=True) if reason is None]
    chosen: list[Series] = []
    for each in sorted(fitting, key=rank):
        if not any(_rivals(each, other) for other in chosen):
            chosen.append(each)
    return [
        Refusal(each, *reason, package) if reason else _outcome(each, chosen, package)
        for each, reason in zip(series, reasons, strict=True)
    ]


def _reason(series: Series, package: ModelPackage, offered: Sequence[ModelPackage]) -> Reason | None:
    found = (rule(series, package, offered) for rule in RULES)
    return next((reason for reason in found if reason), None)


def rank(series: Series) -> Rank:
    """Smaller is better: surely HU, original, axial, thin, long, most slices, sharp; then UID.

    A file's name has no part in it.
    """
    spacing_mm = series.grid.spacing_mm[2] if series.grid else 0.0
    slices = series.grid.shape[2] if series.grid else 0
    kind = tuple(value.upper() for value in series.image_type[:2])
    return (
        doubts(series),
        kind != ("ORIGINAL", "PRIMARY"),
        not _is_axial(series),
        round(max(spacing_mm, series.slice_thickness_mm) / _THICKNESS_STEP_MM),
        -round(spacing_mm * slices, 1),
        -slices,
        not _SHARP_KERNEL.match(series.kernel),
        series.series_instance_uid,
        series.part,
    )


def _is_axial(series: Series) -> bool:
    """The normal's third component, of the direction cosines' cross product."""
    ix, iy, _, jx, jy, _ = series.orientation
    return abs(ix * jy - iy * jx) >= _AXIAL_COSINE


def _rivals(one: Series, other: Series) -> bool:
    """Whether one result is enough for both: one study, and one frame of reference or body region.

    A second frame of reference is mostly a repeated scan of the same region; a series of a region
    with another name is another scan, worth a result of its own.
    """
    if one.study_instance_uid != other.study_instance_uid:
        return False
    same_frame = one.frame_of_reference_uid == other.frame_of_reference_uid
    return same_frame or not one.body_part or not other.body_part or one.body_part == other.body_part


def _outcome(series: Series, chosen: Sequence[Series], package: ModelPackage) -> Outcome:
    if series in chosen:
        return Selection(series, package, series.warnings)
    best = next(other for other in chosen if _rivals(series, other))
    name = ", ".join(filter(None, (best.series_instance_uid, best.part)))
    text = f"expected the best series of the study, which is {name}"
    return Refusal(series, "another_series_chosen", text, package)


def _settled(series: Series, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The packages that chose a series; else the refusal that got furthest down the rules."""
    selections: list[Outcome] = [each for each in outcomes if isinstance(each, Selection)]
    refusals: list[Refusal] = [each for each in outcomes if isinstance(each, Refusal)]
    order = list(REASONS)
    closest = sorted(refusals, key=lambda refusal: -order.index(refusal.code))[:1]
    if not outcomes:
        return [Refusal(series, "no_package", "expected a package that could read it, got none")]
    return selections or list(closest)
