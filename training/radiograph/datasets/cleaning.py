"""Prepares a data set of radiographs for training: exclusions with reasons, and near copies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from operators.errors import UsageError
from training.progress import PREPARE, Tell, silent
from training.radiograph.datasets import layout_of
from training.radiograph.datasets.groups import Member, Pair, apart, folds_of, groups_of
from training.radiograph.datasets.near_copies import SAME_EXPOSURE, copy_pairs
from training.radiograph.datasets.radiograph import Radiograph
from training.radiograph.datasets.reading import REASONS, SPLITS, Exclusion, Reading, listed, read_all

# If a set has no dev images of both classes, one of this many folds becomes dev
PARTS = 10


@dataclass(frozen=True, eq=False)
class RadiographSet:
    """A data set of radiographs after exclusions.

    `members` are training and development images. `pairs` are near copies among them, by index.
    """

    layout: str
    members: tuple[Member, ...]
    pairs: tuple[Pair, ...]
    exclusions: tuple[Exclusion, ...]

    def images(self, split: str) -> list[Radiograph]:
        """Returns the images of a split."""
        return [member.image for member in self.members if member.image.split == split]

    def training(self) -> RadiographSet:
        """Returns the data set with only the training images."""
        return self.only([at for at, one in enumerate(self.members) if one.image.split == "train"])

    def only(self, chosen: Sequence[int]) -> RadiographSet:
        """Returns the data set with only these images."""
        new = {old: at for at, old in enumerate(chosen)}
        pairs = tuple((new[a], new[b]) for a, b in self.pairs if a in new and b in new)
        return replace(self, members=tuple(self.members[at] for at in chosen), pairs=pairs)

    def counts(self) -> dict[str, int]:
        """Returns the number of excluded images by reason, in the order of REASONS."""
        found = Counter(one.code for one in self.exclusions)
        return {code: found[code] for code in REASONS if found[code]}


def clean(folder: Path, tell: Tell = silent) -> RadiographSet:
    """Reads a folder in any layout of LAYOUTS, and excludes images that cannot be used.

    Raises UsageError if the folder has no known layout, its tables or all of its images cannot be read, or if
    only fractured or only other images are left.
    """
    layout = layout_of(folder)
    tell(PREPARE, 0.0, f"a data set in the layout of {layout.name}")
    readings, faults = read_all(listed(layout, folder), tell)
    require_any(readings, faults)
    readings, copies = without_identical(readings)
    members = [reading.member for reading in readings]
    tell(PREPARE, None, f"near copies among {len(members)} images")
    alike = copy_pairs([member.image.pixels for member in members])
    dataset = RadiographSet(layout.name, tuple(members), tuple(alike), (*faults, *copies))
    same = [pair for pair, correlation in alike.items() if correlation >= SAME_EXPOSURE]
    return split_apart(without_contradictions(dataset, same))


def described(dataset: RadiographSet) -> Iterator[str]:
    """Sentences on a data set: its images, and the number of exclusions for each reason."""
    for split in ("train", "dev"):
        images = dataset.images(split)
        yield (
            f"{split}: {len(images)} images, {sum(one.fractured for one in images)} of them fractured, "
            f"{sum(not one.outlined for one in images)} of these not outlined"
        )
    for code, count in dataset.counts().items():
        yield f"excluded: {count}, {REASONS[code]}"


def require_any(readings: Sequence[Reading], faults: Sequence[Exclusion]) -> None:
    """Raises UsageError, with the reasons, if no image can be read."""
    if readings:
        return
    counts = Counter(one.code for one in faults)
    found = "; ".join(f"{count} of {len(faults)}: {REASONS[code]}" for code, count in counts.items())
    first = f"{faults[0].name}: {faults[0].text}"
    raise UsageError(f"expected images to train on, no image can be read ({found}; the first is {first})")


def without_identical(readings: list[Reading]) -> tuple[list[Reading], list[Exclusion]]:
    """Returns one of each set of identical images, none if labels differ, and the others' exclusions.

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
    """Returns the names of the images but one."""
    return ", ".join(image.name for image in images if image is not but)


def preference(image: Radiograph) -> tuple[int, bool, str]:
    """Returns the sort key by which one of identical images is kept: the least."""
    return SPLITS.index(image.split), not image.outlines, image.name


def without_contradictions(dataset: RadiographSet, same: Iterable[Pair]) -> RadiographSet:
    """Returns the set without pairs of the same exposure of which only one is labelled as fractured."""
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
    """Returns the first exclusion of each image only."""
    return list({one.name: one for one in reversed(exclusions)}.values())[::-1]


def leave_out(dataset: RadiographSet, indices: set[int], exclusions: Sequence[Exclusion]) -> RadiographSet:
    """Excludes images from the set."""
    kept = [at for at in range(len(dataset.members)) if at not in indices]
    return replace(dataset.only(kept), exclusions=(*dataset.exclusions, *exclusions))


def split_apart(dataset: RadiographSet) -> RadiographSet:
    """Returns the set with dev images of both classes, without training images related to them."""
    dataset = with_dev(dataset)
    splits = [member.image.split for member in dataset.members]
    held = {at for at, split in enumerate(splits) if split != "train"}
    near = apart(dataset.members, dataset.pairs, held)
    tests = {at for at, split in enumerate(splits) if split == "test"}
    name = [member.image.name for member in dataset.members]
    exclusions = [Exclusion(name[at], "held_out_copy") for at in sorted(near)]
    exclusions += [Exclusion(name[at], "held_out") for at in sorted(tests)]
    return leave_out(dataset, near | tests, exclusions)


def with_dev(dataset: RadiographSet) -> RadiographSet:
    """Returns the set, unchanged if its dev images show both classes; else with some groups as dev."""
    if len({image.fractured for image in dataset.images("dev")}) > 1:
        return dataset
    require_both(dataset)
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


def require_both(dataset: RadiographSet) -> None:
    """Raises UsageError, with the exclusions, unless images to train on are fractured and others are not."""
    labels = [member.image.fractured for member in dataset.members if member.image.split != "test"]
    if len(set(labels)) < 2:
        left_out = "; ".join(f"{count}: {REASONS[code]}" for code, count in dataset.counts().items())
        raise UsageError(
            f"expected fractured and other images to train on, got {sum(labels)} and "
            f"{len(labels) - sum(labels)} (left out: {left_out or 'none'})"
        )
