"""Real bones that are known to be intact, as the fracture network sees them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.scan import scan
from operators.errors import UsageError
from operators.geometry.volume import CtVolume, Grid
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


def read_ct(path: Path) -> CtVolume:
    """Reads a CT from a folder of DICOM, of which the longest series counts, or from a NIfTI or NRRD file."""
    # Imported here, as every command that calibrates nothing does without
    import SimpleITK

    if path.is_dir():
        return read_volume(max(scan(path).series, key=lambda each: each.grid.shape[2] if each.grid else 0))
    if not path.is_file():
        raise UsageError(f"expected {path.parent.name}/{path.name} in the data folder, found none")
    image = SimpleITK.ReadImage(str(path))
    hu: NDArray[np.int16] = SimpleITK.GetArrayFromImage(image).transpose().astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return CtVolume(hu, Grid(hu.shape, affine))


def quiet(stage: str, done: float) -> None:
    """Ignores progress."""
