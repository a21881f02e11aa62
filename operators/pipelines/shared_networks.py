"""Runs networks that packages share once: the coarse over the scan, the fine over all of their regions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.bones.ball_joints import restore_heads
from operators.bones.find import Look
from operators.bones.regions import BoneRegions, bone_regions, kept_classes, write_channels
from operators.bones.sides import MidlinePlane
from operators.geometry.resampling import covering_box, interpolate_scalar, isotropic_grid, resample_hu
from operators.geometry.volume import Box, CtVolume, Grid
from operators.networks.registry import Networks
from operators.networks.windows.sliding_window import Window, predict, predict_blocks
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import NetworkSpec
from operators.pipelines.rows import bones_of_row
from operators.process.progress import Progress, part_of

Array = NDArray[np.float32]
Item = TypeVar("Item")


@dataclass(frozen=True, eq=False)
class Resampled:
    """A source volume, and the same at the coarse network's spacing."""

    source: CtVolume
    coarse: CtVolume
    package: CoarseToFinePackage


@dataclass(frozen=True, eq=False)
class Region:
    """Where a package's bones are: a `box` of the look's grid, and the plane between their sides."""

    package: CoarseToFinePackage
    look: Look
    box: Box
    plane: MidlinePlane | None


@dataclass(frozen=True, eq=False)
class FineRegion:
    """A region's block of the fine network's grid, and the channels (see write_channels) of its bones."""

    region: Region
    box: Box
    channels: Array

    @classmethod
    def empty(cls, region: Region, grid: Grid) -> FineRegion:
        """Returns a region in which nothing was found yet."""
        box = covering_box(grid, region.look.grid.crop(region.box), margin=0)
        assert box is not None  # the grid was made to hold the region
        channels = np.zeros((2 + len(kept_classes(region.package)), *box.shape), np.float32)
        channels[0] = 1
        return cls(region, box, channels)

    def take(self, found: Array, block: Box) -> None:
        """Takes what it needs of the probabilities (classes, I, J, K) in a block of the grid."""
        start, stop = np.maximum(block.start, self.box.start), np.minimum(block.stop, self.box.stop)
        if (start >= stop).any():
            return
        theirs, own = (
            tuple(slice(a - o, b - o) for a, b, o in zip(start, stop, box.start, strict=True))
            for box in (block, self.box)
        )
        write_channels(found[:, *theirs], self.region.package, self.channels[:, *own])

    def bones(self, grid: Grid, source: CtVolume, networks: Networks) -> BoneRegions:
        """Returns the region's bones; those of a row are told apart by networks of their own."""
        package, names = self.region.package, ("background", *kept_classes(self.region.package))
        joints = [each for each in package.ball_joints if each.is_hidden_in(source.grid.spacing_mm)]
        restore_heads(self.channels, names, package.fine.spacing_mm, joints)
        here = grid.crop(self.box)
        row = bones_of_row(self.channels, here, package, source, networks)
        return row.add_to(bone_regions(self.channels, here, package, self.region.plane, row.owners))


def look_once(parts: Sequence[Resampled], networks: Networks, progress: Progress) -> list[Look]:
    """Returns the look at the scan for each package, one and the same for all that share a coarse network."""
    looks: dict[int, Look] = {}
    groups = group_by(parts, lambda one, other: one.package.coarse.runs_like(other.package.coarse))
    for number, group in enumerate(groups):
        look = look_at([parts[n] for n in group], networks, part_of(progress, number, len(groups)))
        looks |= dict.fromkeys(group, look)
    return [looks[n] for n in range(len(parts))]


def look_at(parts: Sequence[Resampled], networks: Networks, progress: Progress) -> Look:
    """Returns the coarse network of all `parts`, over the whole scan."""
    spec, coarse = parts[0].package.coarse, parts[0].coarse
    hu = coarse.hu.astype(np.float32)
    found = predict(networks.get(spec), hu, spec, Window(), progress=partial(progress, "coarse"))
    networks.rest()
    least_ml = min(label.found_by.minimum_ml for part in parts for label in part.package.labels)
    return Look(found, coarse.grid, spec, least_ml)


def outline_once(
    source: CtVolume, regions: Sequence[Region | None], networks: Networks, progress: Progress
) -> Iterator[tuple[int, BoneRegions]]:
    """Yields the bones in each region, and its number; of a package without a region there is none."""
    there = [(number, region) for number, region in enumerate(regions) if region is not None]
    groups = group_by([region for _, region in there], shares_outline)
    for number, group in enumerate(groups):
        inside = [there[n] for n in group]
        here = part_of(progress, number, len(groups))
        bones = bones_in([region for _, region in inside], source, networks, here)
        yield from zip((n for n, _ in inside), bones, strict=True)


def shares_outline(one: Region, other: Region) -> bool:
    """Returns whether one run of the fine network serves both: the same network, guided by the same look."""
    return one.look is other.look and one.package.fine.runs_like(other.package.fine)


def bones_in(
    regions: Sequence[Region], source: CtVolume, networks: Networks, progress: Progress
) -> Iterator[BoneRegions]:
    """Yields the bones in each region, from one run of the fine network over all of them."""
    box = Box.around_all(region.box for region in regions)
    grid = isotropic_grid(regions[0].look.grid.crop(box), regions[0].package.fine.spacing_mm)
    outlines = [FineRegion.empty(region, grid) for region in regions]
    for block, found in run_fine(outlines, box, grid, source, networks, progress):
        for each in outlines:
            each.take(found, block)
        del found
    networks.rest()
    while outlines:
        # Held by nobody while the bones are used, as these are the largest arrays of all
        yield outlines.pop(0).bones(grid, source, networks)


def run_fine(
    outlines: Sequence[FineRegion],
    box: Box,
    grid: Grid,
    source: CtVolume,
    networks: Networks,
    progress: Progress,
) -> Iterator[tuple[Box, Array]]:
    """Yields blocks of the fine network's probabilities on `grid`, which holds `box` of the look."""
    package, look = outlines[0].region.package, outlines[0].region.look
    spec, wanted = package.fine, np.zeros(grid.shape, np.bool_)
    for each in outlines:
        wanted[each.box.slices] |= near_bones(each.region, grid.crop(each.box))
    where = look.probabilities[(slice(None), *box)]
    return predict_blocks(
        networks.get(spec),
        resample_hu(source, grid).hu.astype(np.float32, copy=False),
        spec,
        Window(),
        int(np.argmax(grid.shape)),
        wanted,
        partial(progress, "fine"),
        guide_of(spec, package.coarse, where, look.grid.crop(box), grid),
    )


def near_bones(region: Region, fine: Grid) -> NDArray[np.bool_]:
    """Voxels of `fine` where the coarse network found any bone; tiles without any need not run."""
    coarse = region.look.grid.crop(region.box)
    background = region.look.probabilities[0][region.box.slices]
    return interpolate_scalar(1 - background, coarse, fine, 0.0) > 0.05


def guide_of(
    spec: NetworkSpec, coarse_spec: NetworkSpec, probabilities: Array, coarse: Grid, fine: Grid
) -> Callable[[Box], NDArray[np.uint8]] | None:
    """Returns what gives the coarse probabilities (channels, I, J, K) that `spec` reads in a block of `fine`.

    In steps of 1/255: a quarter of the memory, and finer than the network can resolve.
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


def group_by(items: Sequence[Item], alike: Callable[[Item, Item], bool]) -> list[list[int]]:
    """Returns the numbers of items in groups; those of a group are `alike`."""
    groups: list[list[int]] = []
    for number, item in enumerate(items):
        group = next((each for each in groups if alike(items[each[0]], item)), None)
        groups.append([number]) if group is None else group.append(number)
    return groups
