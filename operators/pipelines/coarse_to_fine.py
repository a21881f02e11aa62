"""The whole image path as plain calls: a CT volume in, labelled bones and fragments out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from operators.bones.ball_joints import restore_heads
from operators.bones.find import region_of_interest
from operators.bones.left_out import split_off_mimics
from operators.bones.outlines import OutlinedBone, outline_bone
from operators.bones.regions import bone_regions, sides_plane
from operators.errors import UnsuitableError
from operators.fragments.assembly import FracturedBone, assemble_segmentation
from operators.fragments.evidence import FractureEvidence, LeastOdds
from operators.fragments.fragments import split
from operators.geometry.resampling import interpolate_mask, interpolate_scalar, isotropic_grid, resample_hu
from operators.geometry.volume import Box, CtVolume, Grid
from operators.networks.registry import Networks
from operators.networks.windows.sliding_window import Window, predict
from operators.packages.confidence import least_odds
from operators.packages.packages import CoarseToFinePackage, NetworkSpec
from operators.prefetch import prefetch
from operators.segmentation.segmentation import Segmentation

REGION_MARGIN_MM = 16.0
BAND_MM = 2.0
BLANK_HU = -1000.0
# The fracture network's class of surfaces between fragments
CONTACT = "contact"

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Resampled:
    """A source volume, and the same at the coarse network's spacing."""

    source: CtVolume
    coarse: CtVolume
    package: CoarseToFinePackage


@dataclass(frozen=True, eq=False)
class Anatomy:
    """The bones that were found in a source volume, and what was left out of them, in sentences."""

    source: CtVolume
    bones: tuple[OutlinedBone, ...]
    package: CoarseToFinePackage
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Block:
    """A bone as the fracture network reads it: HU, where it is, and where other bones are, on `grid`."""

    hu: NDArray[np.float32]
    mask: NDArray[np.bool_]
    others: NDArray[np.bool_]
    grid: Grid


def segment(
    volume: CtVolume, package: CoarseToFinePackage, networks: Networks, progress: Progress
) -> Segmentation:
    """CT to Segmentation. Raises UnsuitableError where the package's anatomy is not in the CT."""
    resampled = resample(volume, package)
    anatomy = segment_anatomy(resampled, networks, progress)
    return segment_fractures(anatomy, networks, progress)


def resample(volume: CtVolume, package: CoarseToFinePackage) -> Resampled:
    """The volume at the coarse network's spacing, axes to left, posterior, superior."""
    grid = isotropic_grid(volume.grid, package.coarse.spacing_mm)
    return Resampled(volume, resample_hu(volume, grid), package)


def segment_anatomy(resampled: Resampled, networks: Networks, progress: Progress) -> Anatomy:
    """A coarse pass finds the bones and their sides, a fine pass outlines them."""
    package, coarse = resampled.package, resampled.coarse
    where = run_network(networks, package, "coarse", coarse.hu.astype(np.float32), None, progress)
    box = region_of_interest(where, package.coarse, package, REGION_MARGIN_MM)
    if box is None:
        raise not_found(package)
    where, region = where[(slice(None), *box.slices)], coarse.grid.crop(box)
    plane = sides_plane(where, region, package.coarse, package)
    grid = isotropic_grid(region, package.fine.spacing_mm)
    bones = bone_regions(
        # Held by nobody, as it is the largest array of all
        outline(resampled, where, region, grid, networks, progress),
        grid,
        package.fine,
        package,
        plane,
    )
    shown, left_out = split_off_mimics(bones, package.confidence, partial(hu_on, resampled.source))
    if not shown:
        raise not_found(package)
    on_source = (outline_bone(resampled.source, bone, package.outline) for bone in shown)
    there = tuple(bone for bone in on_source if bone is not None)
    return Anatomy(resampled.source, there, package, left_out)


def hu_on(source: CtVolume, grid: Grid) -> NDArray[np.float32]:
    """The volume's Hounsfield units on another grid."""
    return resample_hu(source, grid).hu.astype(np.float32, copy=False)


def outline(
    resampled: Resampled,
    where: NDArray[np.float32],
    region: Grid,
    grid: Grid,
    networks: Networks,
    progress: Progress,
) -> NDArray[np.float32]:
    """Class probabilities of the fine network on `grid`; `where` are the coarse one's, on `region`."""
    package = resampled.package
    hu = resample_hu(resampled.source, grid).hu.astype(np.float32, copy=False)
    wanted = near_bones(where, region, grid)
    guide = guide_of(package.fine, where, region, grid, package)
    probabilities = run_network(networks, package, "fine", hu, wanted, progress, guide)
    restore_heads(probabilities, package.fine, package.ball_joints)
    return probabilities


def near_bones(probabilities: NDArray[np.float32], coarse: Grid, fine: Grid) -> NDArray[np.bool_]:
    """Voxels of `fine` where the coarse network saw any bone at all; other tiles need not run."""
    return interpolate_scalar(1 - probabilities[0], coarse, fine, 0.0) > 0.05


def guide_of(
    spec: NetworkSpec,
    probabilities: NDArray[np.float32],
    coarse: Grid,
    fine: Grid,
    package: CoarseToFinePackage,
) -> NDArray[np.uint8] | None:
    """Returns the coarse probabilities that `spec` reads, (channels, I, J, K) on `fine`.

    In steps of 1/255: a quarter of the memory, and finer than the network can tell.
    """
    if not spec.guide:
        return None
    channels = [probabilities[package.coarse.classes.index(name)] for name in spec.guide]
    guide = np.empty((len(channels), *fine.shape), np.uint8)
    for channel, into in zip(channels, guide, strict=True):
        np.rint(interpolate_scalar(channel, coarse, fine, 0.0) * 255, out=into, casting="unsafe")
    return guide


def not_found(package: CoarseToFinePackage) -> UnsuitableError:
    """The refusal of a CT without the anatomy."""
    return UnsuitableError(
        f"no {package.title} found: expected at least one of "
        f"{', '.join(label.meaning.lower() for label in package.labels)} in the scan",
        code="anatomy_not_found",
    )


def segment_fractures(anatomy: Anatomy, networks: Networks, progress: Progress) -> Segmentation:
    """The fragments of each bone, and all of them on the source grid.

    While the network reads a bone, the next is cut out and the one before is split: each takes a core.
    """
    rules, least = anatomy.package.fragments, least_odds_of(anatomy)
    blocks = prefetch(block_of(anatomy, bone) for bone in anatomy.bones)
    with ThreadPoolExecutor(max_workers=1) as splitting:
        waiting = []
        for number, (bone, block) in enumerate(zip(anatomy.bones, blocks, strict=True)):

            def step(stage: str, done: float, n: int = number) -> None:
                progress(stage, (n + done) / len(anatomy.bones))

            evidence = fracture_evidence(block, anatomy.package, networks, step)
            waiting.append((bone, splitting.submit(split, evidence, rules, least), block.grid))
            del evidence, block
        fractured = tuple(FracturedBone(bone, found.result(), grid) for bone, found, grid in waiting)
    network_runs = networks.network_runs(anatomy.package.networks, "own", Window().overlap)
    made = assemble_segmentation(anatomy.source.grid, fractured, anatomy.package)
    return replace(made, network_runs=network_runs, warnings=(*anatomy.left_out, *made.warnings))


def least_odds_of(anatomy: Anatomy) -> LeastOdds:
    """The log-odds from which fractures are shown; in a scan that is too coarse, only of pieces apart."""
    package, line = anatomy.package, anatomy.package.confidence.of_fractures
    likely, broken = least_odds(line), least_odds(line, package.least_probability)
    coarse = package.quality.too_coarse(anatomy.source.grid.spacing_mm)
    return LeastOdds(face=inf if coarse else likely, apart=likely, bone=broken)


def block_of(anatomy: Anatomy, bone: OutlinedBone) -> Block:
    """One bone, cut out of the CT and blanked around."""
    region = bone.region
    grid, mask = bone_mask(anatomy, bone, anatomy.package.fracture.spacing_mm)
    hu = np.where(near(mask, grid), resample_hu(anatomy.source, grid).hu, np.float32(BLANK_HU))
    return Block(hu, mask, interpolate_mask(region.others, region.grid, grid), grid)


def fracture_evidence(
    block: Block, package: CoarseToFinePackage, networks: Networks, progress: Progress
) -> FractureEvidence:
    """Runs the fracture network over one bone."""
    (contact,) = run_network(networks, package, "fracture", block.hu, block.mask, progress, keep=(CONTACT,))
    return FractureEvidence(block.mask, block.others, contact, block.hu, block.grid.spacing_mm[0])


def bone_mask(
    anatomy: Anatomy, bone: OutlinedBone, spacing_mm: tuple[float, ...]
) -> tuple[Grid, NDArray[np.bool_]]:
    """The bone at `spacing_mm`, on a grid no larger than what the network is to be shown."""
    grid = isotropic_grid(bone.region.grid, spacing_mm)
    mask = interpolate_mask(bone.inside, anatomy.source.grid.crop(bone.box), grid)
    box = Box.around(mask)
    if box is None:
        return grid, mask
    box = box.grow_mm(BAND_MM, grid.spacing_mm, mask.shape)
    return grid.crop(box), mask[box.slices].copy()


def near(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """The mask and what lies within 2 mm of it."""
    reach = [int(BAND_MM // spacing) for spacing in grid.spacing_mm]
    steps = np.ogrid[tuple(slice(-n, n + 1) for n in reach)]
    away_mm2 = sum((step * spacing) ** 2 for step, spacing in zip(steps, grid.spacing_mm, strict=True))
    close: NDArray[np.bool_] = ndimage.binary_dilation(mask, away_mm2 <= BAND_MM**2)
    return close


def run_network(
    networks: Networks,
    package: CoarseToFinePackage,
    name: str,
    hu: NDArray[np.float32],
    wanted: NDArray[np.bool_] | None,
    progress: Progress,
    guide: NDArray[np.uint8] | None = None,
    keep: Sequence[str] = (),
) -> NDArray[np.float32]:
    """Probabilities (classes, I, J, K) of the package's network `name`; see predict."""
    spec = next(spec for spec in package.networks if spec.name == name)
    network = networks.get(spec)
    found = predict(network, hu, spec, Window(), wanted, lambda done: progress(name, done), guide, keep)
    networks.rest()
    return found
