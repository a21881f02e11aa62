"""Runs networks that packages share once: the coarse over the scan, the fine over all of their regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.bones.find import seen_structures
from operators.bones.regions import BoneRegion, bone_regions, delivered_classes, write_channels
from operators.bones.sides import MidlinePlane
from operators.geometry.resampling import covering_box, interpolate_scalar, isotropic_grid, resample_hu
from operators.geometry.volume import Box, CtVolume, Grid
from operators.networks.registry import Networks
from operators.networks.windows.sliding_window import Window, predict, predict_blocks
from operators.packages.packages import CoarseToFinePackage, NetworkSpec
from operators.packages.seen import SeenStructure
from operators.progress import Progress, part_of

Array = NDArray[np.float32]
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Resampled:
    """A source volume, and the same at the coarse network's spacing."""

    source: CtVolume
    coarse: CtVolume
    package: CoarseToFinePackage


@dataclass(frozen=True, eq=False)
class Look:
    """A coarse network's probabilities (classes, I, J, K) on `grid`, and the structures that they show."""

    probabilities: Array
    grid: Grid
    seen: tuple[SeenStructure, ...]


@dataclass(frozen=True, eq=False)
class Region:
    """Where a package's bones are: a `box` of the look's grid, and the plane between their sides."""

    package: CoarseToFinePackage
    look: Look
    box: Box
    plane: MidlinePlane | None


def look_once(parts: Sequence[Resampled], networks: Networks, progress: Progress) -> list[Look]:
    """The look at the scan for each package, one and the same for all that share a coarse network."""
    looks: dict[int, Look] = {}
    groups = group_by(parts, lambda one, other: one.package.coarse.runs_like(other.package.coarse))
    for number, group in enumerate(groups):
        look = look_at([parts[n] for n in group], networks, part_of(progress, number, len(groups)))
        looks |= dict.fromkeys(group, look)
    return [looks[n] for n in range(len(parts))]


def look_at(parts: Sequence[Resampled], networks: Networks, progress: Progress) -> Look:
    """The coarse network of all `parts`, over the whole scan."""
    spec, coarse = parts[0].package.coarse, parts[0].coarse
    hu = coarse.hu.astype(np.float32)
    found = predict(networks.get(spec), hu, spec, Window(), progress=partial(progress, "coarse"))
    networks.rest()
    least_ml = min(label.found_by.minimum_ml for part in parts for label in part.package.labels)
    return Look(found, coarse.grid, seen_structures(found, coarse.grid, spec, least_ml))


def outline_once(
    source: CtVolume, regions: Sequence[Region | None], networks: Networks, progress: Progress
) -> Iterator[tuple[int, tuple[BoneRegion, ...]]]:
    """Yields the bones in each region, and its number; of a package without a region there is none."""
    there = [(number, region) for number, region in enumerate(regions) if region is not None]
    groups = group_by(there, lambda one, other: shares_outline(one[1], other[1]))
    for number, group in enumerate(groups):
        inside = [there[n] for n in group]
        here = part_of(progress, number, len(groups))
        bones = bones_in([region for _, region in inside], source, networks, here)
        yield from zip((n for n, _ in inside), bones, strict=True)


def shares_outline(one: Region, other: Region) -> bool:
    """Whether one run of the fine network serves both: the same network, guided by the same look."""
    return one.look is other.look and one.package.fine.runs_like(other.package.fine)


def bones_in(
    regions: Sequence[Region], source: CtVolume, networks: Networks, progress: Progress
) -> Iterator[tuple[BoneRegion, ...]]:
    """Yields the bones in each region, from one run of the fine network over all of them.

    Each region has only the channels that its package needs, and loses them as soon as they are bones.
    """
    look, spec = regions[0].look, regions[0].package.fine
    box = Box.around_all(region.box for region in regions)
    coarse, where = look.grid.crop(box), look.probabilities[(slice(None), *box)]
    grid = isotropic_grid(coarse, spec.spacing_mm)
    boxes = [fine_box(region, grid) for region in regions]
    wanted = np.zeros(grid.shape, np.bool_)
    for region, own in zip(regions, boxes, strict=True):
        wanted[own.slices] |= near_bones(region, grid.crop(own))
    channels = [background_channels(region.package, own) for region, own in zip(regions, boxes, strict=True)]
    blocks = predict_blocks(
        networks.get(spec),
        resample_hu(source, grid).hu.astype(np.float32, copy=False),
        spec,
        Window(),
        int(np.argmax(grid.shape)),
        wanted,
        partial(progress, "fine"),
        guide_of(spec, regions[0].package.coarse, where, coarse, grid),
    )
    for block, found in blocks:
        for region, own, into in zip(regions, boxes, channels, strict=True):
            keep(found, block, region.package, own, into)
        del found
    networks.rest()
    for region, own in zip(regions, boxes, strict=True):
        yield bone_regions(channels.pop(0), grid.crop(own), region.package, region.plane)


def fine_box(region: Region, grid: Grid) -> Box:
    """The block of `grid` that a region reaches."""
    box = covering_box(grid, region.look.grid.crop(region.box), margin=0)
    assert box is not None  # the grid was made to hold the region
    return box


def near_bones(region: Region, fine: Grid) -> NDArray[np.bool_]:
    """Voxels of `fine` where the coarse network saw any bone at all; other tiles need not run."""
    coarse = region.look.grid.crop(region.box)
    background = region.look.probabilities[0][region.box.slices]
    return interpolate_scalar(1 - background, coarse, fine, 0.0) > 0.05


def guide_of(
    spec: NetworkSpec, coarse_spec: NetworkSpec, probabilities: Array, coarse: Grid, fine: Grid
) -> Callable[[Box], NDArray[np.uint8]] | None:
    """Returns what gives the coarse probabilities (channels, I, J, K) that `spec` reads in a block of `fine`.

    In steps of 1/255: a quarter of the memory, and finer than the network can tell.
    """
    if not spec.guide:
        return None
    channels = [probabilities[coarse_spec.classes.index(name)] for name in spec.guide]

    def guide(box: Box) -> NDArray[np.uint8]:
        made = np.empty((len(channels), *box.shape), np.uint8)
        for channel, into in zip(channels, made, strict=True):
            np.rint(
                interpolate_scalar(channel, coarse, fine.crop(box), 0.0) * 255, out=into, casting="unsafe"
            )
        return made

    return guide


def background_channels(package: CoarseToFinePackage, box: Box) -> Array:
    """Returns the channels (see write_channels) of a block without any bone."""
    channels = np.zeros((2 + len(delivered_classes(package)), *box.shape), np.float32)
    channels[0] = 1
    return channels


def keep(found: Array, block: Box, package: CoarseToFinePackage, own: Box, into: Array) -> None:
    """Writes a block of the fine network's probabilities into a package's channels, which lie on `own`."""
    start, stop = np.maximum(block.start, own.start), np.minimum(block.stop, own.stop)
    if (start >= stop).any():
        return

    def inside(box: Box) -> tuple[slice, ...]:
        return (slice(None), *(slice(a - o, b - o) for a, b, o in zip(start, stop, box.start, strict=True)))

    write_channels(found[inside(block)], package, into[inside(own)])


def group_by(items: Sequence[Item], alike: Callable[[Item, Item], bool]) -> list[list[int]]:
    """Returns the numbers of items in groups; those of a group are `alike`."""
    groups: list[list[int]] = []
    for number, item in enumerate(items):
        group = next((each for each in groups if alike(items[each[0]], item)), None)
        groups.append([number]) if group is None else group.append(number)
    return groups
