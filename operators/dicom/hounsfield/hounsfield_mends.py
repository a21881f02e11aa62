"""Mends how values are stored, where a series' own slices prove what the header gets wrong or leaves out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.dicom.headers.series import Frame, Series, StoredPixels
from operators.dicom.hounsfield.hounsfield import AIR_HU, to_hu
from operators.errors import UnsuitableError
from operators.geometry.value_notes import HIGH_BIT, INTERCEPT, LEFT_ALIGNED, Note

Stored = NDArray[Any]
# The stored values of the n-th frame
ReadFrame = Callable[[int], Stored]

# Slices that show where the bits of a value lie: each bit is used in any of them
LOOKED_AT = 5
# Of histograms in steps of 16 HU. On eight CT at hand slices next to each other had 0.51 or more in common
# (0.76 but for one gap), and at most 0.36 as much when one of them was moved by 1024
BIN_HU, ALIKE, UNLIKE = 16, 0.45, 0.5
# Intercepts that differ by less are what a scanner may write slice by slice
SAME_HU = 200


@dataclass(frozen=True, eq=False)
class MendedSeries:
    """A series whose frames say how their values are really stored, and what was done to it."""

    series: Series
    notes: tuple[Note, ...] = ()


def mend_storage(series: Series, read: ReadFrame) -> MendedSeries:
    """Bits at another place than BitsStored says, and intercepts that some slices lack.

    Nothing is read where the header is consistent. Raises UnsuitableError where the image proves no mend.
    """
    aligned = _align(series, read)
    rescaled = _complete_intercepts(aligned.series, read)
    return MendedSeries(rescaled.series, aligned.notes + rescaled.notes)


def with_pixels(series: Series, change: Callable[[StoredPixels], StoredPixels]) -> Series:
    """The series with another account of how each frame is stored."""
    frames = (replace(f, pixels=change(f.pixels)) if f.pixels else f for f in series.frames)
    return replace(series, frames=tuple(frames))


def _align(series: Series, read: ReadFrame) -> MendedSeries:
    """PS3.5 8.1.1: High Bit is one less than Bits Stored. Where it is not, the bits in use decide."""
    odd = [n for n, frame in enumerate(series.frames) if frame.pixels and _shift(frame.pixels)]
    if not odd:
        return MendedSeries(series)
    picked = sorted({odd[round(n)] for n in np.linspace(0, len(odd) - 1, min(LOOKED_AT, len(odd)))})
    places = {_left(read(n), pixels) for n in picked if (pixels := series.frames[n].pixels)} - {None}
    count = f"{len(odd)} of {len(series.frames)} slices"
    if places == {True}:
        text = f"In {count} the values lie in the upper bits, as High Bit says: they were moved."
        moved = with_pixels(series, lambda pixels: replace(pixels, shift=max(_shift(pixels), 0)))
        return MendedSeries(moved, (Note(LEFT_ALIGNED, text),))
    if places == {False} or not places:
        text = f"In {count} High Bit does not go with Bits Stored: the values lie in the lowest bits."
        return MendedSeries(series, (Note(HIGH_BIT, text),))
    raise UnsuitableError(
        "expected High Bit to be one less than Bits Stored, or values in either the upper or the lower bits, "
        f"got bits in use above and below in {count}",
        code=HIGH_BIT,
    )


def _shift(pixels: StoredPixels) -> int:
    """How far above bit 0 the value lies, if High Bit is right; negative where it has no room for it."""
    return 0 if pixels.high_bit is None else pixels.high_bit + 1 - pixels.bits_stored


def _left(stored: Stored, pixels: StoredPixels) -> bool | None:
    """Whether the value lies in the upper bits; None where all are 0. Raises UnsuitableError."""
    shift = _shift(pixels)
    if shift < 0 or shift + pixels.bits_stored > pixels.bits_allocated:
        return False
    bits = np.dtype(f"u{stored.dtype.itemsize}").type
    raw = stored.astype(stored.dtype.newbyteorder("="), copy=False).view(bits)
    below = bool((raw & bits((1 << shift) - 1)).any())
    top = raw >> bits(pixels.bits_stored)
    # A negative value in the lowest bits may have ones above it
    extended = top == (1 << (pixels.bits_allocated - pixels.bits_stored)) - 1 if pixels.signed else False
    above = bool(((top != 0) & ~np.asarray(extended)).any())
    if above and below:
        raise UnsuitableError(
            "expected High Bit to be one less than Bits Stored, or the spare bits to be 0, got neither",
            code=HIGH_BIT,
        )
    return above if above or below else None


def _complete_intercepts(series: Series, read: ReadFrame) -> MendedSeries:
    """The intercept of slices that lack it, or have another one than most, from the slices beside them."""
    trusted, doubtful = _by_trust(series.frames)
    if not trusted or not doubtful:
        return MendedSeries(series)
    frames, meant = list(series.frames), tuple(trusted)
    shapes: dict[int, NDArray[np.float64]] = {}
    changed = 0
    for n in sorted(doubtful, key=lambda n: min(abs(n - m) for m in trusted)):
        near = min(trusted, key=lambda m: abs(n - m))
        if near not in shapes:
            shapes[near] = _shape(read(near), frames[near])
        # The image is compared with the slice next to it, the intercept is one that was given
        own, given = frames[n], frames[min(meant, key=lambda m: abs(n - m))].pixels
        assert own.pixels
        assert given
        other = replace(own, pixels=replace(own.pixels, slope=given.slope, intercept=given.intercept))
        stored = read(n)
        as_is, as_near = (_common(_shape(stored, each), shapes[near]) for each in (own, other))
        better, worse = max(as_is, as_near), min(as_is, as_near)
        if better < ALIKE or worse > UNLIKE * better:
            raise _unproven(series, doubtful)
        frames[n] = other if as_near > as_is else own
        changed += as_near > as_is
        shapes[n] = _shape(stored, frames[n])
        trusted.append(n)
    return MendedSeries(replace(series, frames=tuple(frames)), _told(series, doubtful, changed))


def _by_trust(frames: Sequence[Frame]) -> tuple[list[int], list[int]]:
    """Slices whose intercept is there and that of most; those that lack it or have quite another one."""
    pixels = [frame.pixels for frame in frames]
    given = [n for n, each in enumerate(pixels) if each and each.has_intercept]
    lacking = [n for n, each in enumerate(pixels) if each and not each.has_intercept]
    kinds = Counter((p.slope, p.intercept, p.signed) for n in given if (p := pixels[n]))
    (most, count), *_ = kinds.most_common(1) or [((1.0, 0.0, False), 0)]
    # Where each slice has its own slope, none is the usual one, and all of them are meant
    other = [n for n in given if (p := pixels[n]) and _differs(p, most)] if 2 * count > len(given) else []
    return [n for n in given if n not in set(other)], sorted(lacking + other)


def _differs(pixels: StoredPixels, most: tuple[float, float, bool]) -> bool:
    """Whether only the intercept is another one: a slice of another slope or sign was rescaled by itself."""
    same = (pixels.slope, pixels.signed) == (most[0], most[2])
    return same and abs(pixels.intercept - most[1]) > SAME_HU


def _shape(stored: Stored, frame: Frame) -> NDArray[np.float64]:
    """The histogram of a slice, padding apart: it is air whatever the intercept."""
    assert frame.pixels
    hu = to_hu(stored, frame.pixels)
    counts = np.bincount((hu.ravel().astype(np.int32) + 32768) // BIN_HU, minlength=65536 // BIN_HU)
    if frame.pixels.padding is not None:
        counts[(AIR_HU + 32768) // BIN_HU] = 0
    return np.asarray(counts / max(counts.sum(), 1))


def _common(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """The part that two histograms have in common."""
    return float(np.minimum(one, other).sum())


def _unproven(series: Series, doubtful: Sequence[int]) -> UnsuitableError:
    return UnsuitableError(
        f"expected one RescaleIntercept for all slices, got {len(doubtful)} of {len(series.frames)} "
        "without it or with another one, and the image does not show which is right",
        code=INTERCEPT,
    )


def _told(series: Series, doubtful: Sequence[int], changed: int) -> tuple[Note, ...]:
    lacking = any(p and not p.has_intercept for p in (series.frames[n].pixels for n in doubtful))
    what = "lack RescaleIntercept" if lacking else "have another RescaleIntercept than most"
    if changed:
        took = "that of the slices beside them was taken, as their tissues show."
        return (Note(INTERCEPT, f"{changed} of {len(series.frames)} slices {what}: {took}"),)
    kept = f"{len(doubtful)} of {len(series.frames)} slices {what}: they are in HU as stored."
    return (Note(INTERCEPT, kept),) if lacking else ()
