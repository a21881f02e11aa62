"""Compares the bones that networks find with those that are present, in procedural bodies and other CTs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from operators.bones.regions import BoneRegion
from operators.errors import UnsuitableError, UsageError
from operators.geometry.resampling import interpolate_mask
from operators.geometry.volume import Box, CtVolume, Grid, LabelMap
from operators.networks.registry import Networks
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.confidence import UNCALIBRATED, log_odds
from operators.pipelines.coarse_to_fine import resample, segment_anatomy
from training.calibrate.intact import quiet
from training.calibrate.reliability import Row
from training.phantoms import Phantom
from training.recipe import Recipe
from training.simulate.sources import phantom_of
from training.subjects.subjects import load_lps

# Spacing of procedural CTs; no network reads a finer one
SPACING_MM = (1.5, 1.5, 2.0)
# Fields of view drawn from each body, and from each CT without the anatomy, of which there are few
CUTS, EMPTY_CUTS = 3, 6
# A bone with this overlap counts as found; with less, most of prediction or ground truth is unmatched
FOUND_IOU = 0.5
# Seeds that training (from 1000 and 2000), tests and the demo do not use
FIRST_SEED = 90_000


@dataclass(frozen=True, eq=False)
class PresenceCase:
    """A CT and its ground truth: `truth` is None where there are no bones, `bones` names its values."""

    ct: CtVolume
    truth: LabelMap | None
    bones: Mapping[str, range] = field(default_factory=dict)


@dataclass(frozen=True)
class Bodies:
    """The number of procedural bodies and their model; no bodies without a model."""

    model: Phantom | None = None
    count: int = 0

    def require(self, package: CoarseToFinePackage) -> None:
        """Raises UsageError if the model lacks a bone of the package, which would count as never present."""
        if self.model is None:
            return
        missing = [label.name for label in package.labels if label.name not in self.model.bones]
        if missing:
            raise UsageError(
                f"phantoms.model: expected one that shows {', '.join(missing)} for {package.name}, "
                f"got one of {', '.join(self.model.bones)}",
                code="phantom_without_bones",
            )


def bones_present(
    package: CoarseToFinePackage, networks: Networks, bodies: Bodies, negatives: list[Path], seed: int
) -> list[Row]:
    """Returns score, presence and number of the CT for every bone found in any CT.

    Raises UsageError if the bodies do not show every bone of the package.
    """
    bodies.require(package)
    anything = replace(package.accepts, minimum_probability=0.0)
    asked = replace(package, accepts=anything, confidence=UNCALIBRATED)
    rows: list[Row] = []
    for number, cases in enumerate(bodies_and_negatives(bodies, negatives, seed)):
        for case in cases:
            rows.extend((score, there, number) for score, there in found_in(case, asked, networks))
    return rows


def bodies_and_negatives(bodies: Bodies, negatives: list[Path], seed: int) -> Iterator[list[PresenceCase]]:
    """Yields fields of view of each body and of a boneless one, then those of each CT without the anatomy."""
    rng = np.random.default_rng([FIRST_SEED, seed])
    if bodies.model is not None:
        for _ in range(bodies.count):
            made = bodies.model.ct(rng, SPACING_MM)
            yield [replace(cut_scan(rng, made.ct, made.truth), bones=bodies.model.bones) for _ in range(CUTS)]
            yield [PresenceCase(bodies.model.boneless(rng), None)]
    for path in negatives:
        array, spacing_mm = load_lps(path)
        ct = CtVolume(array.astype(np.int16), Grid(array.shape, np.diag([*spacing_mm, 1.0])))
        yield [cut_scan(rng, ct, None) for _ in range(EMPTY_CUTS)]


def cut_scan(rng: np.random.Generator, ct: CtVolume, truth: LabelMap | None) -> PresenceCase:
    """Crops a CT at random to at least a third of its length, and at times at its sides."""
    start, stop = [0, 0, 0], list(ct.grid.shape)
    for axis, least in ((0, 0.5), (2, 1 / 3)):
        length = int(ct.grid.shape[axis] * rng.uniform(least, 1))
        start[axis] = int(rng.integers(ct.grid.shape[axis] - length + 1))
        stop[axis] = start[axis] + length
    box = Box((start[0], start[1], start[2]), (stop[0], stop[1], stop[2]))
    grid = ct.grid.crop(box)
    there = None if truth is None else LabelMap(truth.labels[box.slices], grid)
    return PresenceCase(CtVolume(ct.hu[box.slices], grid), there)


def found_in(
    case: PresenceCase, package: CoarseToFinePackage, networks: Networks
) -> list[tuple[float, bool]]:
    """Returns the score of each bone that was found, and whether it is present."""
    try:
        anatomy = segment_anatomy(resample(case.ct, package), networks, quiet)
    except UnsuitableError:
        return []
    regions = [bone.region for bone in anatomy.bones]
    return [(log_odds(region.network_mean), is_there(region, case)) for region in regions]


def is_there(bone: BoneRegion, case: PresenceCase) -> bool:
    """Returns whether the IoU of a bone with its ground truth is FOUND_IOU or more."""
    truth = case.truth
    if truth is None:
        return False
    true = np.isin(truth.labels, list(case.bones[bone.label.name]))
    there = interpolate_mask(true, truth.grid, bone.grid)
    found = bone.margin > 0
    both_mm3 = float((found & there).sum()) * bone.grid.voxel_volume_mm3
    found_mm3 = float(found.sum()) * bone.grid.voxel_volume_mm3
    all_mm3 = found_mm3 + float(true.sum()) * truth.grid.voxel_volume_mm3 - both_mm3
    return both_mm3 >= FOUND_IOU * all_mm3


def calibration_bodies(recipe: Recipe, data: Path) -> tuple[Bodies, list[Path]]:
    """Returns the recipe's procedural bodies for calibration, and its CTs without the anatomy.

    Raises UsageError if the recipe asks for bodies but names no model.
    """
    table = recipe.sources.calibration
    bodies = Bodies(phantom_of(recipe), table.bodies) if table.bodies else Bodies()
    return bodies, [data / path for path in table.negatives]
