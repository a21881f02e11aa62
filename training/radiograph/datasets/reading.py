"""Reads the images that a set lists, each with its outlines, or the reason for its exclusion."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from operators.errors import UsageError, reason
from operators.radiographs.canvas import LONGEST_PIXELS
from training.progress import PREPARE, Tell
from training.radiograph.datasets import Layout, own
from training.radiograph.datasets.entries import Entry, FaultError, Outlines, Size, read_grey
from training.radiograph.datasets.groups import Member, number_of
from training.radiograph.datasets.radiograph import Polygon, Radiograph

# The reasons for exclusion
REASONS = {
    "missing": "its file is missing",
    "unlisted": "no annotation lists it, so that it is not known what it shows",
    "listed_twice": "it is listed twice",
    "damaged": "its file is truncated, damaged or no picture in grey values or RGB",
    "label_uncertain": "whether it shows a fracture is uncertain",
    "label_contradicts_folder": "its label contradicts its folder",
    "label_contradicts_outlines": "a fracture is outlined in it, but it is labelled as not fractured",
    "row_unreadable": "its row of the table cannot be read",
    "outlines_unreadable": "its outlines cannot be read",
    "outline_outside": "an outline lies outside it",
    "identical_copy": "it has the same pixels as another image",
    "copies_contradict": "of it and its copy one is labelled as fractured, the other is not",
    "held_out_copy": "it is a copy, the same patient's or a neighbour of an image that is held out",
    "held_out": "its set keeps it for testing",
}
# Outlines that exceed the image by up to this share of its longer side, by rounding, are clipped
OUTSIDE = 0.01
# Of identical images the one in the first of these splits is kept
SPLITS = ("test", "dev", "train")
READERS = 4


@dataclass(frozen=True)
class Exclusion:
    """An excluded image: a row of REASONS, and what was found."""

    name: str
    code: str
    text: str = ""


@dataclass(frozen=True, eq=False)
class Reading:
    """An image as read, and a digest of its pixels before downsampling."""

    member: Member
    digest: bytes


def read_dataset(
    folder: Path, split: str | None = None, longest_pixels: int = LONGEST_PIXELS
) -> list[Radiograph]:
    """Returns the images of a set in Osteon's layout, or of one split. Raises UsageError and FaultError."""
    listed = [entry for entry in own.entries(folder) if split in (None, entry.split)]
    return [read(entry, longest_pixels).member.image for entry in listed]


def listed(layout: Layout, folder: Path) -> list[Entry]:
    """Returns the images that a set lists. Raises UsageError if its tables are invalid."""
    try:
        entries = list(layout.entries(folder))
    except (ValueError, KeyError, OSError) as error:
        raise UsageError(
            f"expected tables in the layout of {layout.name}, could not read them: {reason(error)}"
        ) from error
    labels = defaultdict[str, set[bool]](set)
    for entry in entries:
        if entry.fault is None:
            labels[entry.name].add(entry.fractured)
    unknown = sorted({entry.split for entry in entries} - set(SPLITS))
    if unknown or not entries:
        found = unknown[0] if unknown else "no images"
        raise UsageError(f"expected images of the splits {', '.join(SPLITS)}, got {found}")
    return [contradiction(entry, labels[entry.name]) for entry in entries]


def contradiction(entry: Entry, labels: set[bool]) -> Entry:
    """Returns an entry, with a fault if its image is listed with both labels."""
    if len(labels) < 2:
        return entry
    return replace(entry, fault=FaultError("label_uncertain", "listed as fractured and as not fractured"))


def read_all(entries: list[Entry], tell: Tell) -> tuple[list[Reading], list[Exclusion]]:
    """Returns the images that can be read, and the exclusions of the others."""
    readings, faults = [], []
    listed = Counter[str]()
    with ThreadPoolExecutor(min(READERS, os.cpu_count() or 1)) as pool:
        for at, (entry, result) in enumerate(zip(entries, pool.map(read_or_fault, entries), strict=True)):
            listed[entry.name] += 1
            found = FaultError("listed_twice", "") if listed[entry.name] > 1 else result
            if isinstance(found, FaultError):
                faults.append(Exclusion(entry.name, found.code, str(found)))
            else:
                readings.append(found)
            tell(PREPARE, (at + 1) / len(entries), f"{at + 1} of {len(entries)} images read")
    return readings, faults


def read_or_fault(entry: Entry) -> Reading | FaultError:
    """Returns an image, or the reason why it is excluded."""
    try:
        return read(entry)
    except FaultError as fault:
        return fault


def read(entry: Entry, longest_pixels: int = LONGEST_PIXELS) -> Reading:
    """Returns one image with its outlines. Raises FaultError."""
    if entry.fault is not None:
        raise entry.fault
    if {*entry.name} & {"/", "\\"}:  # the name of a copy, too, which would lie elsewhere
        raise FaultError("row_unreadable", "expected the name of a file, got a path")
    image = read_grey(entry.path)
    outlines = checked(entry, image.size)
    small, scale = shrink(image, longest_pixels)
    made = Radiograph(
        entry.name,
        entry.split,
        np.asarray(small, np.uint8),
        tuple(tuple(one * scale for one in outline) for outline in outlines),
        entry.fractured,
        entry.attributes,
    )
    digest = hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()
    return Reading(Member(made, entry.patient, None if entry.patient else number_of(entry.name)), digest)


def shrink(image: Image.Image, longest_pixels: int) -> tuple[Image.Image, float]:
    """Returns the image downsampled to a longest side of at most that many pixels, and the scale factor."""
    scale = min(1.0, longest_pixels / max(image.size))
    if scale == 1:
        return image, 1.0
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BOX), scale


def checked(entry: Entry, size: Size) -> Outlines:
    """Returns the outlines of an image, clipped to it. Raises FaultError."""
    try:
        found = entry.outlines(size)
        for polygon in (one for outline in found for one in outline):
            require_polygon(polygon)
    except (ValueError, TypeError, ArithmeticError, OSError) as error:
        raise FaultError("outlines_unreadable", reason(error)) from error
    if found and not entry.fractured:
        raise FaultError("label_contradicts_outlines", f"{len(found)} outlined")
    return [[inside(one, size) for one in outline] for outline in found]


def require_polygon(polygon: Polygon) -> None:
    """Raises ValueError for a polygon of fewer than three corners, or with values that are not numbers."""
    if len(polygon) < 3 or not np.isfinite(polygon).all():
        raise ValueError(f"expected three corners or more, got {polygon.tolist()}")


def inside(polygon: Polygon, size: Size) -> Polygon:
    """Returns the polygon, clipped to the image. Raises FaultError if it is more than rounding."""
    away = np.maximum(-polygon, polygon - size).max()
    if away > OUTSIDE * max(size):
        raise FaultError("outline_outside", f"{away:.0f} pixels outside an image of {size[0]} x {size[1]}")
    return np.clip(polygon, 0, size)
