"""Runs the network that outlines the bones of a row one by one, and the one that tells their levels."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import log_softmax

from operators.bones.iterative.one_by_one import Instance, Reader, Row, patch_of
from operators.bones.iterative.traversal import Instances, find_instances
from operators.geometry.resampling import AIR_HU, interpolate_mask, isotropic_grid, resample_hu
from operators.geometry.volume import CtVolume, Grid
from operators.intensities.normalisation import normalise
from operators.networks.registry import Networks
from operators.networks.windows.sliding_window import softmax
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.levels import LevelRules
from operators.packages.packages import NetworkSpec
from operators.segmentation.levels import LevelEvidence

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]


def outline_row(
    source: CtVolume, wanted: Mask, end: Mask, grid: Grid, package: CoarseToFinePackage, networks: Networks
) -> tuple[Instances, Row]:
    """Returns the bones of a row, and the row as it was read: at the spacing of the package's network.

    `wanted` and `end` (I, J, K) on `grid` are where another network saw bones of the row, and the bone that
    it ends at. The package has a network for single bones and rules for them.
    """
    spec, rules = package.instance, package.iterative
    assert spec is not None  # checked when the package was read
    assert rules is not None
    fine = isotropic_grid(grid, spec.spacing_mm)
    hu = resample_hu(source, fine).hu.astype(np.float32, copy=False)
    seen, below = (interpolate_mask(mask, grid, fine) for mask in (wanted, end))
    reader: Reader = partial(read_instance, networks, spec)
    i, j, k = spec.patch
    row = Row(hu, seen, below, fine, reader, (i, j, k), rules)
    found = find_instances(row)
    networks.rest()
    return found, row


def read_instance(networks: Networks, spec: NetworkSpec, hu: Array, memory: Mask) -> Array:
    """Returns the probabilities (3, I, J, K) of background, whole and partial bone in one patch."""
    image = np.stack([normalise(hu, spec), memory.astype(np.float32)])
    return softmax(networks.get(spec)(image).copy())


def level_evidence(
    found: Instances, row: Row, package: CoarseToFinePackage, networks: Networks, starts: bool = False
) -> list[LevelEvidence]:
    """Returns the evidence on the level of each bone of a row; `starts`: it begins at the first one found."""
    spec, rules = package.level, package.levels
    assert spec is not None  # checked when the package was read
    assert rules is not None
    last = len(found.found) - 1
    evidence = []
    for number, each in enumerate(found.found):
        scores = networks.get(spec)(level_patch(each, row, spec))
        evidence.append(
            evidence_of(
                scores,
                rules,
                is_partial=each.is_partial,
                gap_below=number in found.gaps,
                is_first=starts and number == 0,
                is_last=found.reaches_end and number == last,
            )
        )
    networks.rest()
    return evidence


def level_patch(found: Instance, row: Row, spec: NetworkSpec) -> Array:
    """Returns the image and the outline (2, I, J, K) of one bone, in the middle of a patch of the network."""
    steps = np.array(spec.spacing_mm) / row.grid.spacing_mm
    reach = np.ceil(np.array(spec.patch) * steps).astype(int) + 2
    middle = (np.array(found.box.start) + found.box.stop) / 2
    start = np.round(middle - reach / 2).astype(int)
    hu, _ = patch_of(row.hu, start, tuple(reach.tolist()), AIR_HU)
    own, _ = patch_of(found.mask, start - np.array(found.box.start), tuple(reach.tolist()), False)
    places = [(np.arange(n) - (n - 1) / 2) * step for n, step in zip(spec.patch, steps, strict=True)]
    at = np.meshgrid(*(p + m - s for p, m, s in zip(places, middle, start, strict=True)), indexing="ij")
    image = ndimage.map_coordinates(hu, at, order=1, mode="nearest")
    outline = ndimage.map_coordinates(own.astype(np.float32), at, order=1)
    return np.stack([normalise(image, spec), (outline >= 0.5).astype(np.float32)])


def evidence_of(scores: Array, rules: LevelRules, **seen: bool) -> LevelEvidence:
    """Returns the evidence that the scores of background, levels, regions and ribs give."""
    count = len(rules.levels)
    levels, regions = log_softmax(scores[1 : 1 + count]), log_softmax(scores[1 + count : -1])
    return LevelEvidence(tuple(levels.tolist()), tuple(regions.tolist()), float(scores[-1]), **seen)
