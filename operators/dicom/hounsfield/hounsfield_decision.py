"""Decides on a series whose image was checked: accepted, corrected, flagged or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from operators.dicom.headers.series import Series
from operators.dicom.hounsfield.hounsfield_header import Facts, flags
from operators.dicom.hounsfield.hounsfield_mends import with_pixels
from operators.errors import UnsuitableError
from operators.geometry.value_notes import (
    CONE_BEAM,
    INTERCEPT,
    NOT_HOUNSFIELD,
    RESCALE_TYPE,
    SIGNEDNESS,
    WINDOWED,
    Note,
)
from operators.geometry.volume import CtVolume
from operators.intensities.finding import Finding, Kind
from operators.intensities.hounsfield_check import check_values
from operators.intensities.tissue_peaks import HIGHEST, Histogram, histogram

# Share of voxels at the top of the range, where negative values read as unsigned end up; metal seldom passes
# 3,071 HU
SATURATED = 0.005
OFFSETS = (1024, 1000, -1024, -1000)
# The sentences of refusals
REFUSED = {
    Kind.INVERTED: "expected air to be the lowest value, got an inverted image",
    Kind.BEYOND_RANGE: "expected Hounsfield units, got values that 16 bits cannot hold",
    Kind.SCALED: "expected values in steps of 1 HU, got other steps",
    Kind.EIGHT_BITS: "expected values from air to bone, got values limited by a window",
}
FLAGGED = {
    Kind.CUT_OFF: (WINDOWED, "Values were clipped to a window"),
    Kind.LIGHTER: (NOT_HOUNSFIELD, "The image has values below those of air"),
    Kind.NO_NEGATIVE: (NOT_HOUNSFIELD, "The image shows neither air nor fat nor noise around 0 HU"),
}


@dataclass(frozen=True, eq=False)
class Decision:
    """The decision on a series; `again` is the series as it must be read instead, None to keep its values."""

    notes: tuple[Note, ...] = ()
    again: Series | None = None


def read_checked(series: Series, read: Callable[[Series], CtVolume]) -> CtVolume:
    """Reads a series with `read`, once more if the image shows that it must be read differently, and adds
    notes on its values.

    Raises UnsuitableError if its values are not Hounsfield units.
    """
    volume = read(series)
    counts = histogram(volume.hu)
    signed = read_as_signed(series, counts)
    if signed is not None:
        volume = read(signed)
        proof = expect_proof(check_values(histogram(volume.hu), _step_hu(signed)))
        return replace(volume, notes=(proof, *flags(Facts.of(signed))))
    decision = decide(series, check_values(counts, _step_hu(series)))
    if decision.again is not None:
        volume = read(decision.again)
    return replace(volume, notes=decision.notes)


def check_volume(volume: CtVolume) -> CtVolume:
    """Returns an image without a header, with notes. Raises UnsuitableError if its values are not HU."""
    found = check_values(histogram(volume.hu))
    if found.kind is Kind.PROVED:
        return replace(volume, notes=_cut_off(found))
    _require_possible(found)
    return replace(volume, notes=_flagged(found))


def decide(series: Series, found: Finding) -> Decision:
    """Decides by what the image shows and what the header leaves open. Raises UnsuitableError."""
    doubts = flags(Facts.of(series))
    if found.kind is Kind.PROVED or any(note.code == CONE_BEAM for note in doubts):
        return Decision((*doubts, *_cut_off(found)))
    if found.kind is Kind.OFFSET and found.offset in OFFSETS:
        moved = with_pixels(
            series, lambda p: replace(p, intercept=p.intercept - found.offset, has_intercept=True)
        )
        return Decision((*doubts, _moved(found)), moved)
    _require_possible(found)
    _require_shown(found, doubts, _without_intercept(series))
    if _without_intercept(series) and found.kind in (Kind.UNKNOWN, Kind.CUT_OFF):
        text = "Slices have no RescaleIntercept, and the image does not show whether their values are HU."
        return Decision((*doubts, Note(INTERCEPT, text), *_flagged(found)))
    return Decision((*doubts, *_flagged(found)))


def _require_possible(found: Finding) -> None:
    """Raises UnsuitableError if the image shows that its values are not Hounsfield units."""
    if found.kind is Kind.OFFSET:
        raise _refused(f"expected air at -1000 HU, got all values {found.offset} too high", found)
    if found.kind in REFUSED:
        code = WINDOWED if found.kind is Kind.EIGHT_BITS else NOT_HOUNSFIELD
        raise _refused(REFUSED[found.kind], found, code)


def _require_shown(found: Finding, doubts: Sequence[Note], lacking: bool) -> None:
    """Raises UnsuitableError if neither header nor image shows that the values are Hounsfield units."""
    if any(note.code == RESCALE_TYPE for note in doubts):
        raise _refused(
            "expected Hounsfield units, got a RescaleType that does not name them and an image that does "
            "not show them",
            found,
            RESCALE_TYPE,
        )
    if found.kind is Kind.NO_NEGATIVE and lacking:
        raise _refused("expected a RescaleIntercept, got none, and no value below 0", found, INTERCEPT)


def read_as_signed(series: Series, found: Histogram) -> Series | None:
    """Returns the series as signed if so many values are high that they must be negative; else None."""
    full = all(
        p is not None and not p.signed and p.bits_stored == p.bits_allocated == 16
        for p in (frame.pixels for frame in series.frames)
    )
    if not full or found.share(HIGHEST, HIGHEST) < SATURATED:
        return None
    return with_pixels(series, lambda pixels: replace(pixels, signed=True))


def expect_proof(found: Finding) -> Note:
    """Returns the flag for values read as signed. Raises UnsuitableError if the image does not prove them."""
    if found.kind is not Kind.PROVED:
        raise _refused(
            "expected values up to 32767, got higher ones, which are not HU as signed values either", found
        )
    return Note(SIGNEDNESS, f"Values were read as signed, although declared unsigned: {found.evidence}.")


def _step_hu(series: Series) -> float:
    """Returns the smallest slope of any slice: the least distance between two values."""
    return min((abs(frame.pixels.slope) for frame in series.frames if frame.pixels), default=1.0)


def _without_intercept(series: Series) -> bool:
    return any(frame.pixels and not frame.pixels.has_intercept for frame in series.frames)


def _moved(found: Finding) -> Note:
    direction = "high" if found.offset > 0 else "low"
    text = f"All values were {abs(found.offset)} HU too {direction} and were corrected: {found.evidence}."
    return Note(INTERCEPT, text)


def _flagged(found: Finding) -> tuple[Note, ...]:
    if found.kind not in FLAGGED:
        return ()
    code, text = FLAGGED[found.kind]
    return (Note(code, f"{text}: {found.evidence}."),)


def _cut_off(found: Finding) -> tuple[Note, ...]:
    return (Note(WINDOWED, f"Values were clipped: {found.cut}."),) if found.cut else ()


def _refused(text: str, found: Finding, code: str = NOT_HOUNSFIELD) -> UnsuitableError:
    return UnsuitableError(f"{text} ({found.evidence})" if found.evidence else text, code=code)
