"""Draws patches of bones in a row: one to outline beside those that are outlined already, or one to name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from training.recipe import NetworkRecipe
from training.row_tables import RegionTable, RowTable
from training.sampling import Array, Pose, smooth_noise
from training.simulate.scanner.unseen import UNSEEN_HU
from training.simulate.simulated_ct import Added, Sample, simulate
from training.simulate.sources import Sources
from training.subjects.subjects import Subject

Mask = NDArray[np.bool_]
Patch = tuple[torch.Tensor, torch.Tensor]
WHOLE, PARTIAL = 1, 2
# Farthest distance from the border that its weight depends on, in steps that a byte holds
FARTHEST_MM, UNKNOWN = 25.0, 255
# So many voxels of a bone beside what the scan does not show make it a part
CUT_VOXELS = 12
CEMENT_HU, CAGE_HU = (800.0, 2800.0), (300.0, 3000.0)
ROW_POSE = Pose(rotation_deg=15, joint_mm=1.0, ripple_mm=1.0, swell_mm=0.3, step_mm=2)


@dataclass(frozen=True, eq=False)
class RowSample:
    """A patch of a row: `hu` and the levels (I, J, K), 0 where there is none, and which one it is about."""

    hu: Array
    levels: NDArray[np.uint8]
    chosen: int


class RowDraw:
    """Draws patches about the bones of rows."""

    def __init__(self, network: NetworkRecipe, sources: Sources, rng: np.random.Generator) -> None:
        self.network, self.rng, self.rules = network, rng, network.row
        self.regions = network.row.regions
        self.subjects = sources.rows(network)
        self.bones = [bones_of(subject) for subject in self.subjects]
        self.added = Added(network.implants, 0, network.limbs)

    def draw(self) -> tuple[Subject, RowSample]:
        """Draws a patch about one bone, and the subject that it is of."""
        number = int(self.rng.integers(len(self.subjects)))
        subject, bones = self.subjects[number], self.bones[number]
        level, middle = bones[int(self.rng.integers(len(bones)))]
        jitter_mm = self.rng.normal(0, self.rules.jitter_mm, 3)
        shape, spacing_mm = self.network.patch, self.network.spacing_mm
        centre = middle + jitter_mm / subject.spacing_mm
        sample = simulate(self.rng, subject, centre, shape, spacing_mm, ROW_POSE, self.added)
        hu = with_foreign(self.rng, sample, level, self.rules)
        row = RowSample(hu, sample.target, level)
        return subject, mirrored(self.rng, cut(self.rng, row, self.rules))

    def patch(self) -> Patch:
        """Returns what the network reads of a patch, and its target."""
        raise NotImplementedError


class InstanceDraw(RowDraw):
    """Draws what outlines one bone: the image and the memory; the bone's class, distances to its border."""

    def patch(self) -> Patch:
        """Returns the image with the memory (2, I, J, K), and the class and distance in mm (2, I, J, K)."""
        _, row = self.draw()
        memory, target = remembered(self.rng, row, self.rules)
        known = ragged(self.rng, memory)
        bone = target > 0
        distance = border_mm(bone, self.network.spacing_mm)
        image = np.stack([scaled(row.hu, self.network.window_hu), known.astype(np.float32)])
        both = np.stack([target, np.rint(distance).astype(np.uint8)])
        return torch.from_numpy(image), torch.from_numpy(both.astype(np.int64))


class LevelDraw(RowDraw):
    """Draws what names one bone: the image and the bone's outline; its level, region and ribs."""

    def patch(self) -> Patch:
        """Returns the image with the outline (2, I, J, K), and level, region, ribs (3,); 255 if not known."""
        while True:
            subject, row = self.draw()
            outline = row.levels == row.chosen
            if outline.any():
                break
        image = np.stack(
            [scaled(row.hu, self.network.window_hu), ragged(self.rng, outline).astype(np.float32)]
        )
        region = region_of(row.chosen, self.regions)
        ribs = int(self.regions[region].ribs) if shows_ribs(subject) else UNKNOWN
        return torch.from_numpy(image), torch.tensor([row.chosen, region, ribs])


def bones_of(subject: Subject) -> list[tuple[int, NDArray[np.float64]]]:
    """Returns the level of each bone of the row in a subject, and the array index of its middle."""
    return [
        (level, np.array([(side.start + side.stop) / 2 for side in box]))
        for level, box in enumerate(ndimage.find_objects(subject.targets), start=1)
        if box is not None
    ]


def region_of(level: int, regions: tuple[RegionTable, ...]) -> int:
    """Returns the number of the region in which a level (1, 2, ...) lies."""
    ends = np.cumsum([region.levels for region in regions])
    return int(np.searchsorted(ends, level))


def shows_ribs(subject: Subject) -> bool:
    """Returns whether the subject's bones other than those of the row were drawn: a row alone shows none."""
    others = [tissue.bone and not own for tissue, own in zip(subject.tissues, subject.classes, strict=True)]
    return bool(np.isin(np.unique(subject.structures), np.flatnonzero(others)).any())


def scaled(hu: Array, window_hu: tuple[float, float]) -> Array:
    """Returns Hounsfield units within a window as 0 to 1."""
    low, high = window_hu
    return np.clip((hu - low) / (high - low), 0, 1).astype(np.float32)


def mirrored(rng: np.random.Generator, row: RowSample) -> RowSample:
    """Mirrors half of the patches left to right."""
    if rng.random() < 0.5:
        return row
    return RowSample(row.hu[::-1], row.levels[::-1], row.chosen)


def cut(rng: np.random.Generator, row: RowSample, rules: RowTable) -> RowSample:
    """Ends the scan within the chosen bone in a share of patches."""
    heights = np.flatnonzero((row.levels == row.chosen).any(axis=(0, 1)))
    if len(heights) < 4 or rng.random() >= rules.cut:
        return row
    at = int(rng.integers(heights[0] + 1, heights[-1]))
    beyond = np.zeros(row.hu.shape[2], np.bool_)
    beyond[slice(at, None) if rng.random() < 0.5 else slice(0, at)] = True
    hu, levels = row.hu.copy(), row.levels.copy()
    hu[:, :, beyond], levels[:, :, beyond] = UNSEEN_HU, 0
    return RowSample(hu, levels, row.chosen)


def remembered(rng: np.random.Generator, row: RowSample, rules: RowTable) -> tuple[Mask, NDArray[np.uint8]]:
    """Draws the memory, and the class (I, J, K) of the bone that is to be outlined: the first not in it.

    Without a memory it is the bone that the patch is about.
    """
    none = np.zeros(row.levels.shape, np.bool_)
    order = [int(level) for level in np.unique(row.levels) if level]
    if rng.random() < rules.nothing_left or not order:
        return row.levels > 0, none.astype(np.uint8)
    chosen = row.chosen if row.chosen in order else order[0]
    bone = row.levels == chosen
    target = np.where(bone, PARTIAL if is_cut(bone, row.hu) else WHOLE, 0).astype(np.uint8)
    if rng.random() < rules.forgotten:
        return none, target
    known = order[: order.index(chosen)]
    if rng.random() < rules.known_below:
        known += order[order.index(chosen) + 1 :][:1]
    return np.isin(row.levels, known), target


def is_cut(bone: Mask, hu: Array) -> bool:
    """Returns whether the scan ends at a bone."""
    edge = ndimage.binary_dilation(bone) & (hu == UNSEEN_HU)
    return int(np.count_nonzero(edge)) >= CUT_VOXELS


def ragged(rng: np.random.Generator, mask: Mask) -> Mask:
    """Returns an outline with the errors of a network: shifted, and grown or shrunk from place to place."""
    if not mask.any() or rng.random() < 0.3:
        return mask
    signed = ndimage.distance_transform_edt(mask) - ndimage.distance_transform_edt(~mask)
    error = rng.uniform(0, 1.2) * smooth_noise(rng, mask.shape, 12) + rng.normal(0, 0.5)
    shifts = rng.integers(-1, 2, 3).tolist()
    return np.asarray(np.roll(signed + error > 0.5, shifts, axis=(0, 1, 2)), np.bool_)


def border_mm(bone: Mask, spacing_mm: float) -> Array:
    """Returns the distance (I, J, K) in mm to the border of a bone, at most FARTHEST_MM."""
    if not bone.any():
        return np.full(bone.shape, FARTHEST_MM, np.float32)
    away = ndimage.distance_transform_edt(bone) + ndimage.distance_transform_edt(~bone) - 0.5
    return np.minimum(away * spacing_mm, FARTHEST_MM).astype(np.float32)


def with_foreign(rng: np.random.Generator, sample: Sample, level: int, rules: RowTable) -> Array:
    """Returns Hounsfield units with cement in a bone, or with a cage below it, at times."""
    bone = sample.target == level
    hu = sample.hu
    if bone.any() and rng.random() < rules.cement:
        inner = ndimage.binary_erosion(bone, iterations=3)
        filled = inner & (smooth_noise(rng, hu.shape, 14) > rng.uniform(0.3, 1.2))
        hu = np.where(filled, np.float32(rng.uniform(*CEMENT_HU)), hu)
    if bone.any() and rng.random() < rules.cage:
        hu = with_cage(rng, hu, bone)
    return hu


def with_cage(rng: np.random.Generator, hu: Array, bone: Mask) -> Array:
    """Returns Hounsfield units with a cage, a block with a hole, just below the body of a bone."""
    depth = ndimage.distance_transform_edt(bone)
    at = np.array(np.unravel_index(int(depth.argmax()), bone.shape))
    below = np.flatnonzero(~bone[at[0], at[1], : at[2]])
    if not len(below):
        return hu
    at[2] = int(below[-1]) - 2
    away = [np.abs(np.arange(n) - middle) for n, middle in zip(hu.shape, at, strict=True)]
    i, j, k = away[0][:, None, None], away[1][:, None], away[2]
    block = (i <= rng.uniform(5, 10)) & (j <= rng.uniform(4, 9)) & (k <= rng.uniform(2, 4))
    hole = (i <= 3) & (j <= 3)
    return np.where(block & ~hole, np.float32(rng.uniform(*CAGE_HU)), hu).astype(np.float32)
