"""Real bones that are known to be intact, as the fracture network sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from operators.geometry.volume import Grid
from operators.networks.registry import Networks
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.pipelines.coarse_to_fine import (
    BLANK_HU,
    Block,
    block_of,
    fracture_evidence,
    near,
    resample,
    segment_anatomy,
)
from training.calibrate.decisions import KnownBone
from training.ct_files import read_ct
from training.simulate.bone_patches import BoneSubject
from training.subjects.subjects import resample as resample_array

# Muscle, in place of the soft tissue around a bone that was masked out of its CT
MUSCLE_HU = 50.0


def intact_bones(
    package: CoarseToFinePackage, networks: Networks, paths: Iterable[Path]
) -> Iterator[KnownBone]:
    """Yields the package's bones in CTs without a fracture, found and outlined as in every other CT.

    Raises UsageError for a missing CT, UnsuitableError for one that cannot be read or shows no such bone.
    """
    for path in paths:
        anatomy = segment_anatomy(resample(read_ct(path), package), networks, quiet)
        for bone in anatomy.bones:
            yield known_intact(block_of(anatomy, bone), package, networks)


def masked_bones(
    package: CoarseToFinePackage, networks: Networks, bones: Sequence[BoneSubject]
) -> Iterator[KnownBone]:
    """Yields those `bones` that were masked out of a CT and are intact, unchanged but for their spacing."""
    for bone in bones:
        if bone.hu is not None and not bone.fractured:
            yield known_intact(masked_block(bone, package.fracture.spacing_mm[0]), package, networks)


def known_intact(block: Block, package: CoarseToFinePackage, networks: Networks) -> KnownBone:
    """Returns a bone in which every face is none of a fracture."""
    evidence = fracture_evidence(block, package, networks, quiet)
    return KnownBone(evidence, np.ones(np.count_nonzero(evidence.bone), np.uint8))


def masked_block(bone: BoneSubject, spacing_mm: float) -> Block:
    """Returns a masked bone in soft tissue, blanked beyond, on a grid of its own."""
    mask = resample_array(bone.mask, bone.spacing_mm, spacing_mm, order=1) >= 0.5
    hu = resample_array(np.asarray(bone.hu, np.float32), bone.spacing_mm, spacing_mm, order=1)
    grid = Grid(mask.shape, np.diag([spacing_mm] * 3 + [1.0]))
    tissue = np.where(mask, hu, np.float32(MUSCLE_HU))
    return Block(np.where(near(mask, grid), tissue, np.float32(BLANK_HU)), mask, np.zeros_like(mask), grid)


def quiet(stage: str, done: float) -> None:
    """Ignores progress."""
