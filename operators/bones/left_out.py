"""Leaves out what is not shown: bones more likely absent than present or of one substance, contrast medium,
and distant pieces without bone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from operators.bones.contrast_medium import CORTEX_MM, contrast_medium
from operators.bones.regions import BoneRegion
from operators.geometry.volume import Grid
from operators.packages.confidence import LIKELY, Confidence, log_odds, percent, stated_probability

Mask = NDArray[np.bool_]
Hounsfield = NDArray[np.float32]
HounsfieldOn = Callable[[Grid], Hounsfield]

# More than an outline can lose between a fragment and its bone: three voxels of the fine network
FAR_MM = 5.0
# Measured on 55 vessels, kidneys and loops of bowel with contrast medium (a CT with slices of 5 mm), and on
# 27 true fragments of real and simulated CTs: inside contrast medium, the interquartile range is mostly 0.08
# to 0.2 of the median; inside balls cut out of bones it is 0.25 or more in 95 of 100. The shell of a fragment
# is brighter than its inside by 100 HU or more; that of contrast medium is darker
UNIFORM_SHARE = 0.3
# The same of a whole bone: 0.8 to 2.3 of ten real ones, 0.01 of the rods of a phantom. The shell of the real
# ones is brighter than their inside; that of a rod has at most this share of the inside's Hounsfield units
UNIFORM_BONE_SHARE, RIM_SHARE = 0.1, 0.95
# Whole bones are looked at in voxels of about this size; larger ones blur their cortex and their inside
LOOK_MM = 2.0


def split_off_mimics(
    bones: Sequence[BoneRegion], confidence: Confidence, hu_on: HounsfieldOn
) -> tuple[tuple[BoneRegion, ...], tuple[str, ...]]:
    """Removes mimics; returns the remaining bones and a sentence about each bone or piece that was left out.

    `hu_on` returns the Hounsfield units on a grid.
    """
    shown, said, contrast_ml = [], [], dict[str, list[float]]()
    for bone in bones:
        chance = stated_probability(confidence.bone, log_odds(bone.network_mean))
        if chance is not None and chance < LIKELY:
            said.append(
                f"{bone.label.spoken}: more likely absent than present ({percent(chance)}), and was left out."
            )
            continue
        look = look_at(bone, hu_on)
        if is_filled_evenly(look.hu, look.mask_of(bone), look.grid, UNIFORM_BONE_SHARE, RIM_SHARE):
            said.append(f"{bone.label.spoken}: as uniform as metal or a phantom's rod, and was left out.")
            continue
        near, pieces = without_mimics(bone, hu_on)
        kept, removed_ml = without_contrast_medium(near, look)
        shown.append(kept)
        said.extend(
            f"{bone.label.spoken}: a piece of {volume_ml:.1f} ml, {distance_mm:.0f} mm from the bone, "
            "is as uniform as contrast medium or darker than bone, and was left out."
            for volume_ml, distance_mm in pieces
        )
        if removed_ml:
            contrast_ml.setdefault(bone.label.spoken, []).append(removed_ml)
    said.extend(contrast_sentence(name, each) for name, each in contrast_ml.items())
    return tuple(shown), tuple(said)


def contrast_sentence(name: str, pieces_ml: Sequence[float]) -> str:
    """Returns the sentence on the contrast medium that was left out of bones of one name."""
    pieces = f" in {len(pieces_ml)} bones" if len(pieces_ml) > 1 else ""
    return (
        f"{name}: {sum(pieces_ml):.1f} ml{pieces} that are as uniform as contrast medium, without a cortex, "
        "were left out."
    )


@dataclass(frozen=True, eq=False)
class CoarseLook:
    """The Hounsfield units (I, J, K) of every few voxels of a bone's block, on `grid`; `steps` lie between
    them, in voxels.
    """

    hu: Hounsfield
    grid: Grid
    steps: tuple[int, int, int]

    def mask_of(self, region: BoneRegion) -> Mask:
        """Returns which of these voxels are a bone's."""
        i, j, k = self.steps
        mask: Mask = region.margin[::i, ::j, ::k] > 0
        return mask


def look_at(region: BoneRegion, hu_on: HounsfieldOn) -> CoarseLook:
    """Returns a coarse look at a bone; as all bones are looked at, few voxels are read."""
    i, j, k = (max(int(LOOK_MM / spacing), 1) for spacing in region.grid.spacing_mm)
    grid = region.grid.strided((i, j, k))
    return CoarseLook(hu_on(grid), grid, (i, j, k))


def without_contrast_medium(region: BoneRegion, look: CoarseLook) -> tuple[BoneRegion, float]:
    """Removes what is filled with contrast medium; returns the bone, and the removed volume in ml."""
    found = contrast_medium(look.mask_of(region), look.hu, look.grid)
    if not found.any():
        return region, 0.0
    for axis, step in enumerate(look.steps):
        found = found.repeat(step, axis)
    gone = found[tuple(slice(n) for n in region.margin.shape)] & (region.margin > 0)
    margin = np.where(gone, -region.margin, region.margin)
    return replace(region, margin=margin), float(gone.sum() * region.grid.voxel_volume_mm3 / 1000)


def without_mimics(region: BoneRegion, hu_on: HounsfieldOn) -> tuple[BoneRegion, list[tuple[float, float]]]:
    """Removes the distant pieces that do not look like bone; returns the bone, and of each removed piece the
    volume in ml and the distance from the bone in mm.
    """
    pieces, count = ndimage.label(region.margin > 0)
    far = dict(far_pieces(pieces, region.grid.spacing_mm)) if count > 1 else {}
    if not far:
        return region, []
    hu, main = hu_on(region.grid), largest(pieces)
    median_hu = float(np.median(hu[pieces == main]))
    gone = [piece for piece in far if not looks_like_bone(hu, pieces == piece, median_hu, region.grid)]
    ml = region.grid.voxel_volume_mm3 / 1000
    left_out = [(float((pieces == piece).sum()) * ml, far[piece]) for piece in gone]
    margin = np.where(np.isin(pieces, gone) & (pieces > 0), -region.margin, region.margin)
    return replace(region, margin=margin), left_out


def far_pieces(pieces: NDArray[np.integer], spacing_mm: tuple[float, ...]) -> Iterator[tuple[int, float]]:
    """Yields the pieces (1, 2, ...) farther than FAR_MM from the largest, with their distances in mm."""
    main = largest(pieces)
    tree = cKDTree(surface_mm(pieces == main, spacing_mm))
    for piece in range(1, int(pieces.max()) + 1):
        if piece != main:
            distance_mm = float(tree.query(surface_mm(pieces == piece, spacing_mm))[0].min())
            if distance_mm > FAR_MM:
                yield piece, distance_mm


def largest(pieces: NDArray[np.integer]) -> int:
    """Returns the number of the largest piece."""
    return int(np.bincount(pieces[pieces > 0]).argmax())


def surface_mm(mask: Mask, spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Returns the positions (N, 3) of the mask's outermost voxels, in mm from voxel 0."""
    found: NDArray[np.float64] = np.argwhere(mask & ~ndimage.binary_erosion(mask)) * np.array(spacing_mm)
    return found


def looks_like_bone(hu: Hounsfield, piece: Mask, median_hu: float, grid: Grid) -> bool:
    """Returns whether part of a piece is as bright as its bone, and the piece has a cortex or a texture
    inside.

    `median_hu` is the bone's median. A piece too thin to have an inside is judged by brightness alone.
    """
    if np.percentile(hu[piece], 95) < median_hu:
        return False
    return not is_filled_evenly(hu, piece, grid, UNIFORM_SHARE)


def is_filled_evenly(hu: Hounsfield, piece: Mask, grid: Grid, share: float, rim_share: float = 1.0) -> bool:
    """Returns whether the interquartile range inside a piece is at most a share of the median, and the rim is
    darker than the `rim_share` of it.

    Contrast medium is as bright as bone, but it fills its vessel evenly, as metal and plastics fill their
    bodies, and the scanner's blur makes the rim darker than the inside. False for what is too thin to have an
    inside.
    """
    core = ndimage.binary_erosion(piece, iterations=max(1, round(CORTEX_MM / min(grid.spacing_mm))))
    if not core.any():
        return False
    low, middle, high = np.percentile(hu[core], [25, 50, 75])
    shell_hu = float(hu[piece & ~ndimage.binary_erosion(piece)].mean())
    return bool(shell_hu < rim_share * middle and high - low <= share * abs(middle))
