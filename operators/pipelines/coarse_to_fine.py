"""The whole image path as plain calls: a CT volume in, labelled bones and fragments out."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.find import Look, region_of_interest
from operators.bones.left_out import split_off_mimics
from operators.bones.outlines import OutlinedBone, outline_bone
from operators.bones.regions import BoneRegions, sides_plane
from operators.fragments.assembly import FracturedBone, assemble_segmentation, unsplit
from operators.fragments.evidence import FractureEvidence, LeastOdds
from operators.fragments.fragments import split
from operators.geometry.resampling import interpolate_mask, isotropic_grid, resample_hu
from operators.geometry.volume import Box, CtVolume, Grid
from operators.networks.registry import Networks
from operators.networks.windows.sliding_window import Window, predict
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.confidence import least_odds
from operators.packages.plans import SplittingPackage
from operators.packages.seen import AnatomyNotFoundError, SeenStructure
from operators.pipelines.rows import with_gaps
from operators.pipelines.shared_networks import Region, Resampled, look_once, outline_once
from operators.process.prefetch import prefetch
from operators.process.progress import Progress
from operators.process.side_by_side import side_by_side
from operators.segmentation.segmentation import Segmentation

REGION_MARGIN_MM = 16.0
BAND_MM = 2.0
BLANK_HU = -1000.0
# The fracture network's class of contact surfaces between fragments
CONTACT = "contact"


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The bones found in a source volume, warnings on what was left out, and what the coarse network saw."""

    source: CtVolume
    bones: tuple[OutlinedBone, ...]
    package: SplittingPackage
    left_out: tuple[str, ...] = ()
    seen: tuple[SeenStructure, ...] = ()


@dataclass(frozen=True, eq=False)
class Block:
    """A bone as the fracture network reads it: HU, its mask and the mask of other bones, on `grid`."""

    hu: NDArray[np.float32]
    mask: NDArray[np.bool_]
    others: NDArray[np.bool_]
    grid: Grid


def segment(
    volume: CtVolume, package: CoarseToFinePackage, networks: Networks, progress: Progress
) -> Segmentation:
    """Segments a CT. Raises UnsuitableError if the package's anatomy is not in it."""
    anatomy = segment_anatomy(resample(volume, package), networks, progress)
    return segment_fractures(anatomy, networks, progress)


def resample(volume: CtVolume, package: CoarseToFinePackage) -> Resampled:
    """Returns the volume at the coarse network's spacing, axes to left, posterior, superior."""
    (resampled,) = resample_once(volume, [package])
    return resampled


def resample_once(volume: CtVolume, packages: Sequence[CoarseToFinePackage]) -> list[Resampled]:
    """Returns the volume at the spacing of each package's coarse network, made once for each spacing."""
    made = {
        spacing_mm: resample_hu(volume, isotropic_grid(volume.grid, spacing_mm))
        for spacing_mm in {package.coarse.spacing_mm for package in packages}
    }
    return [Resampled(volume, made[package.coarse.spacing_mm], package) for package in packages]


def segment_anatomy(resampled: Resampled, networks: Networks, progress: Progress) -> Anatomy:
    """Returns one package's bones. Raises AnatomyNotFoundError where the CT shows none of them."""
    (found,) = segment_anatomies([resampled], networks, progress)
    if isinstance(found, AnatomyNotFoundError):
        raise found
    return found


def segment_anatomies(
    parts: Sequence[Resampled], networks: Networks, progress: Progress
) -> list[Anatomy | AnatomyNotFoundError]:
    """Returns the bones of each package that has any in the CT; networks that packages share run once.

    A coarse pass finds the bones and their sides, a fine pass outlines them.
    """
    looks = look_once(parts, networks, progress)
    regions = [find_region(part.package, look) for part, look in zip(parts, looks, strict=True)]
    done: list[Anatomy | AnatomyNotFoundError] = [
        not_found(part.package, look.seen) for part, look in zip(parts, looks, strict=True)
    ]
    for number, found in outline_once(parts[0].source, regions, networks, progress):
        part, seen = parts[number], looks[number].seen
        anatomy = outline_bones(part, found, seen)
        done[number] = anatomy if anatomy.bones else not_found(part.package, seen, anatomy.left_out)
    return done


def find_region(package: CoarseToFinePackage, look: Look) -> Region | None:
    """Returns where a package's bones are, and the plane between their sides; None if not seen."""
    box = region_of_interest(look, package, REGION_MARGIN_MM)
    if box is None:
        return None
    plane = sides_plane(look, box, package)
    return Region(package, look, box, plane)


def outline_bones(part: Resampled, found: BoneRegions, seen: tuple[SeenStructure, ...]) -> Anatomy:
    """Returns those of the bones that are shown, on the source's voxels."""
    package = part.package
    shown, mimics = split_off_mimics(found.bones, package.confidence, partial(hu_on, part.source))
    in_order = with_gaps(shown, package.labels)
    on_source = side_by_side(lambda bone: outline_bone(part.source, bone, package.outline), in_order)
    there = tuple(bone for bone in on_source if bone is not None)
    return Anatomy(part.source, there, package, (*found.left_out, *mimics), seen)


def hu_on(source: CtVolume, grid: Grid) -> NDArray[np.float32]:
    """Returns the volume's Hounsfield units on another grid."""
    return resample_hu(source, grid).hu.astype(np.float32, copy=False)


def not_found(
    package: CoarseToFinePackage, seen: Sequence[SeenStructure], left_out: Sequence[str] = ()
) -> AnatomyNotFoundError:
    """Returns the error for a CT without the anatomy, or with none but bones that were `left_out`."""
    bones = dict.fromkeys(label.spoken.lower() for label in package.labels if not label.is_of_unknown_side)
    expected = f"no {package.title} found: expected at least one of {', '.join(bones)} in the scan"
    return AnatomyNotFoundError("; ".join((expected, *(each.rstrip(".") for each in left_out))), seen)


def segment_fractures(anatomy: Anatomy, networks: Networks, progress: Progress) -> Segmentation:
    """Splits each bone into fragments, on the source grid; one whose label has a single value stays whole.

    While the network runs on a bone, the next is cut out and the previous one is split, each on its own core.
    """
    rules, least = anatomy.package.fragments, least_odds_of(anatomy)
    bones = [bone for bone in anatomy.bones if len(bone.region.label.values) > 1]
    whole = tuple(unsplit(bone) for bone in anatomy.bones if len(bone.region.label.values) == 1)
    blocks = prefetch(block_of(anatomy, bone) for bone in bones)
    with ThreadPoolExecutor(max_workers=1) as splitting:
        waiting = []
        for number, (bone, block) in enumerate(zip(bones, blocks, strict=True)):

            def step(stage: str, done: float, n: int = number) -> None:
                progress(stage, (n + done) / len(bones))

            evidence = fracture_evidence(block, anatomy.package, networks, step)
            waiting.append((bone, splitting.submit(split, evidence, rules, least), block.grid))
            del evidence, block
        fractured = tuple(FracturedBone(bone, found.result(), grid) for bone, found, grid in waiting)
    network_runs = networks.network_runs(anatomy.package.networks, "own", Window().overlap)
    made = assemble_segmentation(anatomy.source.grid, (*fractured, *whole), anatomy.package)
    warnings = (*anatomy.left_out, *made.warnings)
    return replace(made, network_runs=network_runs, warnings=warnings, seen=anatomy.seen)


def least_odds_of(anatomy: Anatomy) -> LeastOdds:
    """Returns the log-odds from which fractures are shown; in too coarse scans, only of pieces apart."""
    package, line = anatomy.package, anatomy.package.confidence.of_fractures
    likely, broken = least_odds(line), least_odds(line, package.least_probability)
    coarse = package.quality.too_coarse(anatomy.source.grid.spacing_mm)
    return LeastOdds(face=inf if coarse else likely, apart=likely, bone=broken)


def block_of(anatomy: Anatomy, bone: OutlinedBone) -> Block:
    """Returns one bone, cut out of the CT, with everything else blanked."""
    region = bone.region
    grid, mask = bone_mask(anatomy, bone, anatomy.package.fracture.spacing_mm)
    hu = np.where(near(mask, grid), resample_hu(anatomy.source, grid).hu, np.float32(BLANK_HU))
    return Block(hu, mask, interpolate_mask(region.others, region.grid, grid), grid)


def fracture_evidence(
    block: Block, package: SplittingPackage, networks: Networks, progress: Progress
) -> FractureEvidence:
    """Runs the fracture network on one bone."""
    spec = package.fracture
    done = partial(progress, "fracture")
    (contact,) = predict(networks.get(spec), block.hu, spec, Window(), block.mask, done, keep=(CONTACT,))
    networks.rest()
    return FractureEvidence(block.mask, block.others, contact, block.hu, block.grid.spacing_mm[0])


def bone_mask(
    anatomy: Anatomy, bone: OutlinedBone, spacing_mm: tuple[float, ...]
) -> tuple[Grid, NDArray[np.bool_]]:
    """Returns the bone's mask at `spacing_mm`, on the smallest grid that the network needs."""
    grid = isotropic_grid(bone.region.grid, spacing_mm)
    mask = interpolate_mask(bone.inside, anatomy.source.grid.crop(bone.box), grid)
    box = Box.around(mask)
    if box is None:
        return grid, mask
    box = box.grow_mm(BAND_MM, grid.spacing_mm, mask.shape)
    return grid.crop(box), mask[box.slices].copy()


def near(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Returns the mask dilated by 2 mm."""
    reach = [int(BAND_MM // spacing) for spacing in grid.spacing_mm]
    steps = np.ogrid[tuple(slice(-n, n + 1) for n in reach)]
    away_mm2 = sum((step * spacing) ** 2 for step, spacing in zip(steps, grid.spacing_mm, strict=True))
    close: NDArray[np.bool_] = ndimage.binary_dilation(mask, away_mm2 <= BAND_MM**2)
    return close
