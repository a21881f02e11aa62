"""Assigns series to packages, in reading order, and says why other series are not read.

Headers rank series; the networks decide what an image shows. So a series that ranks below a rival, which
shows the same part of the body, is not dropped: it is read if the rival turns out to show nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from operators.dicom.headers.series import Series
from operators.dicom.hounsfield.hounsfield_header import doubts
from operators.dicom.read.scan import Scan
from operators.dicom.select.projection_rules import PROJECTION_RULES, is_x_ray, presentation_of
from operators.dicom.select.reasons import REASONS
from operators.dicom.select.rivals import stands_for
from operators.dicom.select.selection_rules import VOLUME_RULES, Reason, Rule, names_other_region
from operators.errors import UsageError
from operators.packages.packages import ModelPackage

# The rules by the kind of image that the package reads
RULES: dict[str, tuple[Rule, ...]] = {"volume": VOLUME_RULES, "projection": PROJECTION_RULES}
# A stack is axial if its slice normal lies within 45 degrees of the patient's long axis.
_AXIAL_COSINE = 0.7
# Slice thicknesses that differ by less than this count as equal, so that coverage decides.
_THICKNESS_STEP_MM = 0.25
# Edge-enhancing kernels, which show thin fracture lines: Siemens B/H/Br/Hr/Bl 60 and above, GE BONE and EDGE,
# Philips YC to YE and D, Canon FC30 to FC39. The names are those known in use, not checked against the
# manufacturers' documents; they only break ties.
_SHARP_KERNEL = re.compile(r"^(?:[BH][A-Z]?[6-9]\d|BONE|EDGE|Y-?[C-E]\b|D\b|FC3\d)", re.IGNORECASE)

Rank = tuple[tuple[int, int], bool, bool, int, float, int, bool, str, str]


@dataclass(frozen=True, eq=False)
class Selection:
    """A series that packages will read."""

    series: Series
    packages: tuple[ModelPackage, ...]
    warnings: tuple[str, ...] = ()

    @property
    def package(self) -> ModelPackage:
        """The only package of a selection that `select` made."""
        (package,) = self.packages
        return package


@dataclass(frozen=True, eq=False)
class Refusal:
    """A series that no package reads: `code` is a key of REASONS; `package` is the one that came closest."""

    series: Series
    code: str
    text: str
    package: ModelPackage | None = None


@dataclass(frozen=True, eq=False)
class Reserve(Refusal):
    """A series that a package reads only if none of `better`, the rivals ranked above it, was segmented.

    `place` is its rank among the series that fit the package, 0 for the best.
    """

    better: tuple[Series, ...] = ()
    place: int = 0


Outcome = Selection | Refusal


@dataclass(frozen=True, eq=False)
class Candidate:
    """A series that a package may read; `better` are the numbers of the candidates ranked above it."""

    selection: Selection
    better: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        """The series' UID, and its part if it was split."""
        return name_of(self.selection.series)


def select(
    scan: Scan, packages: Sequence[ModelPackage], package_name: str | None = None
) -> tuple[Outcome, ...]:
    """Returns every series' outcomes, in the scan's order: one for each package, or a refusal."""
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


def candidates(outcomes: Sequence[Outcome]) -> tuple[Candidate, ...]:
    """Returns the candidates in reading order: the best of each part of the body, then their rivals by rank.

    A candidate is skipped if one of its `better` ones was segmented.
    """
    first = [each for each in outcomes if isinstance(each, Selection)]
    reserves = sorted((each for each in outcomes if isinstance(each, Reserve)), key=lambda each: each.place)
    found = [Candidate(each) for each in first]
    numbers = {(id(each.series), each.package.name): n for n, each in enumerate(first)}
    for number, each in enumerate(reserves, len(first)):
        assert each.package is not None
        name = each.package.name
        better = tuple(sorted(numbers[id(series), name] for series in each.better))
        found.append(Candidate(Selection(each.series, (each.package,), each.series.warnings), better))
        numbers[id(each.series), name] = number
    return tuple(found)


def combine_candidates(candidates: Sequence[Candidate]) -> Selection:
    """Returns one selection of a series for the packages of several of its candidates."""
    first = candidates[0].selection
    packages = tuple(each.selection.package for each in candidates)
    return Selection(first.series, packages, first.warnings)


def passed_over(best: str) -> tuple[str, str]:
    """Returns code and sentence for a candidate that was skipped, as the one named `best` was segmented."""
    return "another_series_chosen", f"expected the best series of the study, which is {best}"


def name_of(series: Series) -> str:
    """Returns the series' UID, and its part if it was split."""
    return ", ".join(filter(None, (series.series_instance_uid, series.part)))


def _of_package(
    series: Sequence[Series], package: ModelPackage, offered: Sequence[ModelPackage]
) -> list[Outcome]:
    """Returns an outcome for each series: the best that fit in each study, others refused with a reason."""
    reasons = [_reason(each, package, offered) for each in series]
    presented = [each for each, reason in zip(series, reasons, strict=True) if reason is None]
    reasons = [
        reason or _other_presentation(each, presented) for each, reason in zip(series, reasons, strict=True)
    ]
    fitting = [each for each, reason in zip(series, reasons, strict=True) if reason is None]
    ranked = sorted(fitting, key=lambda each: (names_other_region(each, package, offered), *rank(each)))
    ordered = _in_order(ranked, package)
    return [
        Refusal(each, *reason, package) if reason else ordered[id(each)]
        for each, reason in zip(series, reasons, strict=True)
    ]


def _in_order(ranked: Sequence[Series], package: ModelPackage) -> dict[int, Outcome]:
    """Returns outcomes by identity: the best of each body part is selected, the others are its reserves."""
    chosen: list[Series] = []
    outcomes: dict[int, Outcome] = {}
    for place, each in enumerate(ranked):
        better = tuple(other for other in ranked[:place] if stands_for(other, each))
        best = next((other for other in better if other in chosen), None)
        if best is None:
            chosen.append(each)
            outcomes[id(each)] = Selection(each, (package,), each.warnings)
        else:
            outcomes[id(each)] = Reserve(each, *passed_over(name_of(best)), package, better, place)
    return outcomes


def _reason(series: Series, package: ModelPackage, offered: Sequence[ModelPackage]) -> Reason | None:
    found = (rule(series, package, offered) for rule in RULES[package.reads])
    return next((reason for reason in found if reason), None)


def _other_presentation(series: Series, fitting: Sequence[Series]) -> Reason | None:
    """Returns the reason to read an exposure's image for presentation, not its raw values; else None."""
    better = presentation_of(series, fitting)
    if better is None:
        return None
    text = f"expected the image for presentation of the exposure, which is {name_of(better)}"
    return "other_presentation", text


def rank(series: Series) -> Rank:
    """Returns a rank, smaller is better: certainly HU, original, axial, thin, long, most slices, sharp; then
    UID.

    The file name plays no part in it.
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
    """Returns whether slices are axial, by the third component of their normal; False for a radiograph."""
    if not series.orientation:
        return False
    ix, iy, _, jx, jy, _ = series.orientation
    return abs(ix * jy - iy * jx) >= _AXIAL_COSINE


def _settled(series: Series, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Returns the outcomes of the packages that may read a series, else the refusal that passed the most
    rules; of X-ray images of one projection, that of a package of radiographs if there is one.
    """
    readers: list[Outcome] = [each for each in outcomes if isinstance(each, Selection | Reserve)]
    refusals: list[Refusal] = [each for each in outcomes if isinstance(each, Refusal)]
    order = list(REASONS)
    own = "projection" if is_x_ray(series) else "volume"

    def distance(refusal: Refusal) -> tuple[bool, int]:
        reads = refusal.package.reads if refusal.package else own
        return reads != own, -order.index(refusal.code)

    closest = sorted(refusals, key=distance)[:1]
    if not outcomes:
        return [Refusal(series, "no_package", "expected an installed package that could read it, got none")]
    return readers or list(closest)
