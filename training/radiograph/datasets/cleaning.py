"""Prepares a data set of radiographs for training: exclusions with reasons, and near copies."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from operators.errors import UsageError, reason
from operators.radiographs.canvas import LONGEST_PIXELS
from training.progress import PREPARE, Tell, silent
from training.radiograph.dataset import Polygon, Radiograph, outlined, shrink
from training.radiograph.datasets import Layout, layout_of
from training.radiograph.datasets.entries import Entry, FaultError, Outlines, Size, read_grey
from training.radiograph.datasets.folds import folds_of
from training.radiograph.datasets.groups import Member, Pair, apart, groups_of, number_of
from training.radiograph.near_copies import SAME_EXPOSURE, copy_pairs

# The reasons for exclusion
REASONS = {
    "missing": "its file is missing",
    "listed_twice": "it is listed twice",
    "damaged": "its file is truncated or damaged",
    "label_uncertain": "whether it shows a fracture is uncertain",
    "label_contradicts_folder": "its label contradicts its folder",
    "label_contradicts_outlines": "a fracture is outlined in it, but it is labelled as not fractured",
    "outlines_unreadable": "its outlines cannot be read",
    "outline_outside": "an outline lies outside it",
    "identical_copy": "it has the same pixels as another image",
    "copies_contradict": "of it and its copy one is labelled as fractured, the other is not",
    "held_out_copy": "it is a copy, the same patient's or a neighbour of an image that is held out",
    "held_out": "its set keeps it for testing",
}
# Outlines that exceed the image by up to this share of its longer side, by rounding, are clipped
OUTSIDE = 0.01
# If a set has no dev images of both classes, one of this many folds becomes dev
PARTS = 10
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


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set of radiographs after exclusions.

    `members` are training and development images. `pairs` are near copies among them, by index.
    """

    layout: str
    members: tuple[Member, ...]
    pairs: tuple[Pair, ...]
    exclusions: tuple[Exclusion, ...]

    def images(self, split: str) -> list[Radiograph]:
        """The images of a split."""
        return [member.image for member in self.members if member.image.split == split]

    def training(self) -> Dataset:
        """The data set with only the training images."""
        return self.only([at for at, one in enumerate(self.members) if one.image.split == "train"])

    def only(self, chosen: Sequence[int]) -> Dataset:
        """The data set with only these images."""
        new = {old: at for at, old in enumerate(chosen)}
        pairs = tuple((new[a], new[b]) for a, b in self.pairs if a in new and b in new)
        return replace(self, members=tuple(self.members[at] for at in chosen), pairs=pairs)

    def counts(self) -> dict[str, int]:
        """The number of excluded images by reason, in the order of REASONS."""
        found = Counter(one.code for one in self.exclusions)
        return {code: found[code] for code in REASONS if found[code]}


def clean(folder: Path, tell: Tell = silent) -> Dataset:
    """Reads a folder in any layout of LAYOUTS, and excludes images that cannot be used.

    Raises UsageError if the folder has no known layout or its tables cannot be read.
    """
    layout = layout_of(folder)
    tell(PREPARE, 0.0, f"a data set in the layout of {layout.name}")
    readings, faults = read_all(listed(layout, folder), tell)
    readings, copies = without_identical(readings)
    members = [reading.member for reading in readings]
    tell(PREPARE, None, f"near copies among {len(members)} images")
    alike = copy_pairs([member.image.pixels for member in members])
    dataset = Dataset(layout.name, tuple(members), tuple(alike), (*faults, *copies))
    same = [pair for pair, correlation in alike.items() if correlation >= SAME_EXPOSURE]
    return split_apart(without_contradictions(dataset, same))


def listed(layout: Layout, folder: Path) -> list[Entry]:
    """The images that a set lists. Raises UsageError if its tables are invalid."""
    try:
        entries = list(layout.entries(folder))
    except (ValueError, KeyError) as error:
        raise UsageError(
            f"expected tables in the layout of {layout.name}, could not read them: {reason(error)}"
        ) from error
    unknown = sorted({entry.split for entry in entries} - set(SPLITS))
    if unknown or not entries:
        found = unknown[0] if unknown else "no images"
        raise UsageError(f"expected images of the splits {', '.join(SPLITS)}, got {found}")
    return entries


def read_all(entries: list[Entry], tell: Tell) -> tuple[list[Reading], list[Exclusion]]:
    """The images that can be read, and the exclusions of the others."""
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
    """An image, or the reason why it is excluded."""
    try:
        return read(entry)
    except FaultError as fault:
        return fault


def read(entry: Entry, longest_pixels: int = LONGEST_PIXELS) -> Reading:
    """One image with its outlines. Raises FaultError."""
    if entry.fault is not None:
        raise entry.fault
    image = read_grey(entry.path)
    outlines = checked(entry, image.size)
    small, scale = shrink(image, longest_pixels)
    pixels = np.asarray(small, np.uint8)
    made = Radiograph(
        entry.name, entry.split, pixels, outlined(outlines, scale), entry.fractured, entry.attributes
    )
    digest = hashlib.sha256(repr(image.size).encode() + image.tobytes()).digest()
    return Reading(Member(made, entry.patient, None if entry.patient else number_of(entry.name)), digest)


def checked(entry: Entry, size: Size) -> Outlines:
    """The outlines of an image, clipped to it. Raises FaultError."""
    try:
        found = entry.outlines(size)
        for polygon in (one for outline in found for one in outline):
            require_polygon(polygon)
    except (ValueError, TypeError) as error:
        raise FaultError("outlines_unreadable", str(error)) from error
    if found and not entry.fractured:
        raise FaultError("label_contradicts_outlines", f"{len(found)} outlined")
    return [[inside(one, size) for one in outline] for outline in found]


def require_polygon(polygon: Polygon) -> None:
    """Raises ValueError for a polygon of fewer than three corners, or with values that are not numbers."""
    if len(polygon) < 3 or not np.isfinite(polygon).all():
        raise ValueError(f"expected three corners or more, got {polygon.tolist()}")


def inside(polygon: Polygon, size: Size) -> Polygon:
    """The polygon, clipped to the image. Raises FaultError if it exceeds the image by more than rounding."""
    away = np.maximum(-polygon, polygon - size).max()
    if away > OUTSIDE * max(size):
        raise FaultError("outline_outside", f"{away:.0f} pixels outside an image of {size[0]} x {size[1]}")
    return np.clip(polygon, 0, size)


def without_identical(readings: list[Reading]) -> tuple[list[Reading], list[Exclusion]]:
    """One of each set of identical images, none if their labels differ; and the exclusions of the others.

    Held-out copies are preferred to training ones, outlined ones to others.
    """
    same: dict[bytes, list[Reading]] = defaultdict(list)
    for reading in readings:
        same[reading.digest].append(reading)
    kept, left_out = set(), []
    for copies in same.values():
        images = [copy.member.image for copy in copies]
        if len({image.fractured for image in images}) > 1:
            left_out += [Exclusion(one.name, "copies_contradict", named(images, one)) for one in images]
            continue
        best = min(copies, key=lambda copy: preference(copy.member.image))
        kept.add(best.member.image.name)
        others = [image for image in images if image is not best.member.image]
        left_out += [Exclusion(one.name, "identical_copy", best.member.image.name) for one in others]
    return [reading for reading in readings if reading.member.image.name in kept], left_out


def named(images: Sequence[Radiograph], but: Radiograph) -> str:
    """The names of the images but one."""
    return ", ".join(image.name for image in images if image is not but)


def preference(image: Radiograph) -> tuple[int, bool, str]:
    """The sort key by which one of identical images is kept: the least."""
    return SPLITS.index(image.split), not image.outlines, image.name


def without_contradictions(dataset: Dataset, same: Iterable[Pair]) -> Dataset:
    """The set without pairs of the same exposure of which only one is labelled as fractured."""
    images = [member.image for member in dataset.members]
    wrong = {
        (a, b)
        for one, other in same
        for a, b in ((one, other), (other, one))
        if images[one].fractured != images[other].fractured
    }
    left_out = [Exclusion(images[a].name, "copies_contradict", images[b].name) for a, b in sorted(wrong)]
    return leave_out(dataset, {a for a, _ in wrong}, unique(left_out))


def unique(exclusions: Sequence[Exclusion]) -> list[Exclusion]:
    """The first exclusion of each image only."""
    return list({one.name: one for one in reversed(exclusions)}.values())[::-1]


def leave_out(dataset: Dataset, indices: set[int], exclusions: Sequence[Exclusion]) -> Dataset:
    """Excludes images from the set."""
    kept = [at for at in range(len(dataset.members)) if at not in indices]
    return replace(dataset.only(kept), exclusions=(*dataset.exclusions, *exclusions))


def split_apart(dataset: Dataset) -> Dataset:
    """The set with dev images of both classes, and without training images related to held-out ones."""
    dataset = with_dev(dataset)
    splits = [member.image.split for member in dataset.members]
    held = {at for at, split in enumerate(splits) if split != "train"}
    near = apart(dataset.members, dataset.pairs, held)
    tests = {at for at, split in enumerate(splits) if split == "test"}
    name = [member.image.name for member in dataset.members]
    exclusions = [Exclusion(name[at], "held_out_copy") for at in sorted(near)]
    exclusions += [Exclusion(name[at], "held_out") for at in sorted(tests)]
    return leave_out(dataset, near | tests, exclusions)


def with_dev(dataset: Dataset) -> Dataset:
    """The set unchanged if its dev images show both classes; else with a part of its groups as dev."""
    if len({image.fractured for image in dataset.images("dev")}) > 1:
        return dataset
    chosen = [at for at, one in enumerate(dataset.members) if one.image.split != "test"]
    rest = dataset.only(chosen)
    fractured = [member.image.fractured for member in rest.members]
    fold = folds_of(groups_of(rest.members, rest.pairs), fractured, PARTS)
    drawn = {chosen[at] for at in np.flatnonzero(np.asarray(fold) == 0)}
    members = list(dataset.members)
    for at in chosen:
        image = replace(members[at].image, split="dev" if at in drawn else "train")
        members[at] = replace(members[at], image=image)
    return replace(dataset, members=tuple(members))
