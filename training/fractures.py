"""Simulated fractures of one bone: rough cuts, gaps, moved fragments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from training.sampling import Array, smooth_noise

BLOOD_HU = (30.0, 80.0)
CONTACT_MM = 2.4


@dataclass(frozen=True, eq=False)
class Bone:
    """A bone on a patch: `hu` float32 everywhere, `fragments` uint8 (0 outside the bone)."""

    hu: Array
    fragments: NDArray[np.uint8]


@dataclass(frozen=True)
class FractureRules:
    """How many cuts, how rough, how far the pieces move."""

    most_cuts: int = 4
    intact: float = 0.45
    gap_mm: float = 3.0
    shift_mm: float = 6.0
    turn_deg: float = 8.0
    smallest_mm3: float = 300.0
    undisplaced: float = 0.5


def fracture(rng: np.random.Generator, bone: Bone, spacing_mm: float, rules: FractureRules) -> Bone:
    """`bone` cut by up to `rules.most_cuts` rough surfaces, its pieces moved apart."""
    if rng.random() < rules.intact:
        return bone
    cuts = int(rng.choice(np.arange(1, rules.most_cuts + 1), p=weights(rules.most_cuts)))
    for _ in range(cuts):
        bone = cut(rng, bone, spacing_mm, rules)
    return displace(rng, bone, spacing_mm, rules)


def weights(n: int) -> NDArray[np.float64]:
    """Fewer cuts are commoner than many."""
    raw: NDArray[np.float64] = 1 / np.arange(1.0, n + 1)
    shares: NDArray[np.float64] = raw / raw.sum()
    return shares


def cut(rng: np.random.Generator, bone: Bone, spacing_mm: float, rules: FractureRules) -> Bone:
    """One fragment cut in two by a plane bent by noise; the gap between is blood."""
    values = np.unique(bone.fragments)[1:]
    if len(values) == 0:
        return bone
    whole = bone.fragments == rng.choice(values)
    height = rough_surface(rng, whole, spacing_mm)
    gap = uneven_gap(rng, whole.shape, rules.gap_mm)
    beyond = whole & (height > gap / 2)
    before = whole & (height < -gap / 2)
    smallest = rules.smallest_mm3 / spacing_mm**3
    if min(beyond.sum(), before.sum()) < smallest:
        return bone
    fragments = bone.fragments.copy()
    fragments[beyond] = values.max() + 1
    opened = whole & ~beyond & ~before
    fragments[opened] = 0
    softness = np.clip(np.abs(height) / gap, 0, 1)
    blood = rng.uniform(*BLOOD_HU)
    edge = whole & (np.abs(height) < gap)
    hu = bone.hu.copy()
    hu[edge] = (bone.hu * softness + blood * (1 - softness))[edge]
    return Bone(hu, separate(fragments, smallest))


def uneven_gap(rng: np.random.Generator, shape: tuple[int, ...], most_mm: float) -> Array:
    """The gap in mm at each voxel: fractures gape in one place and are all but closed in another."""
    wide = rng.uniform(0.9, most_mm)
    uneven: Array = np.clip(1 + rng.uniform(0, 0.8) * smooth_noise(rng, shape, 5), 0.4, 2.0)
    return np.maximum(wide * uneven, np.float32(0.6)).astype(np.float32)


def rough_surface(rng: np.random.Generator, whole: NDArray[np.bool_], spacing_mm: float) -> Array:
    """Signed distance in mm to a rough plane through a random voxel of `whole`."""
    voxels = np.argwhere(whole)
    through = voxels[rng.integers(len(voxels))]
    normal = rng.standard_normal(3)
    normal /= np.linalg.norm(normal)
    grids = np.ogrid[tuple(slice(0, n) for n in whole.shape)]
    height = sum((g - c) * a for g, c, a in zip(grids, through, normal, strict=True)) * spacing_mm
    rough = rng.uniform(0, 5) * smooth_noise(rng, whole.shape, 4)
    rough = rough + rng.uniform(0, 2) * smooth_noise(rng, whole.shape, 12)
    surface: Array = (height + rough).astype(np.float32)
    return surface


def separate(fragments: NDArray[np.uint8], smallest: float) -> NDArray[np.uint8]:
    """Every connected piece of its own; pieces too small to be fragments join a neighbour."""
    pieces = np.zeros(fragments.shape, np.uint8)
    count = 0
    for value in np.unique(fragments)[1:]:
        parts, n = ndimage.label(fragments == value)
        sizes = np.bincount(parts.ravel(), minlength=n + 1)
        for part in range(1, n + 1):
            if sizes[part] >= smallest:
                count += 1
                pieces[parts == part] = count
    if count == 0:
        return fragments
    lost = (fragments > 0) & (pieces == 0)
    if lost.any():
        nearest = ndimage.distance_transform_edt(pieces == 0, return_distances=False, return_indices=True)
        pieces[lost] = pieces[tuple(nearest)][lost]
    return pieces


def displace(rng: np.random.Generator, bone: Bone, spacing_mm: float, rules: FractureRules) -> Bone:
    """All but the largest fragment moved rigidly; where they then overlap, the largest stays."""
    values, sizes = np.unique(bone.fragments[bone.fragments > 0], return_counts=True)
    if len(values) < 2 or rng.random() < rules.undisplaced:
        return bone
    main = values[np.argmax(sizes)]
    hu, fragments = bone.hu.copy(), np.where(bone.fragments == main, main, 0).astype(np.uint8)
    moving = (bone.fragments > 0) & (bone.fragments != main)
    hu[moving] = rng.uniform(*BLOOD_HU)
    for value in values[values != main]:
        place(rng, bone, int(value), spacing_mm, rules, hu, fragments)
    return darken_interfaces(rng, Bone(hu, fragments))


def darken_interfaces(rng: np.random.Generator, bone: Bone) -> Bone:
    """Where two fragments touch, a line of blood: what cannot be seen at all cannot be learned."""
    touching = several_fragments(bone.fragments, 3) & (bone.fragments > 0)
    share = np.float32(rng.uniform(0.4, 1.0))
    hu = bone.hu.copy()
    hu[touching] += (np.float32(rng.uniform(*BLOOD_HU)) - hu[touching]) * share
    return Bone(hu, bone.fragments)


def several_fragments(fragments: NDArray[np.uint8], width: int) -> NDArray[np.bool_]:
    """Voxels in whose cube of `width` voxels two different fragments lie."""
    highest = ndimage.maximum_filter(fragments, width)
    inverse = np.where(fragments > 0, 255 - fragments, 0).astype(np.uint8)
    lowest = 255 - ndimage.maximum_filter(inverse, width)
    several: NDArray[np.bool_] = (highest > 0) & (lowest < 255) & (lowest != highest)
    return several


def place(
    rng: np.random.Generator, bone: Bone, value: int, spacing_mm: float, rules: FractureRules,
    hu: Array, fragments: NDArray[np.uint8],
) -> None:
    """One fragment put back with a small rigid motion, into `hu` and `fragments`."""
    piece = bone.fragments == value
    box = ndimage.find_objects(piece.astype(np.uint8))[0]
    margin = int(np.ceil((rules.shift_mm + 4) / spacing_mm))
    block = grown(box, margin, piece.shape)
    size = rng.beta(1, 2.5)
    turn = Rotation.from_euler("xyz", rng.uniform(-1, 1, 3) * rules.turn_deg * size, degrees=True).as_matrix()
    shift = rng.standard_normal(3)
    shift *= rules.shift_mm * size / spacing_mm / max(float(np.linalg.norm(shift)), 1e-6)
    centre = np.array([(s.start + s.stop) / 2 - b.start for s, b in zip(box, block, strict=True)])
    offset = centre - turn @ (centre + shift)
    moved = ndimage.affine_transform(piece[block].astype(np.float32), turn, offset, order=1) >= 0.5
    free = moved & (fragments[block] == 0)
    texture = ndimage.affine_transform(bone.hu[block], turn, offset, order=1, mode="nearest")
    hu[block][free] = texture[free]
    fragments[block][free] = value


def grown(box: tuple[slice, ...], margin: int, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """`box` with `margin` voxels more on every side, inside an array of `shape`."""
    return tuple(
        slice(max(s.start - margin, 0), min(s.stop + margin, n)) for s, n in zip(box, shape, strict=True)
    )


def contact_target(fragments: NDArray[np.uint8], spacing_mm: float) -> NDArray[np.uint8]:
    """0 outside, 1 interior, 2 contact surface: along each axis within 2.4 mm of two fragments.

    The gap between two close fragments counts as contact, so that a bone mask that runs over it
    is still cut there.
    """
    several = several_fragments(fragments, 2 * round(CONTACT_MM / spacing_mm) + 1)
    bone = fragments > 0
    target = bone.astype(np.uint8)
    # scipy's closing eats what touches the array's border, hence the bone itself beside it.
    bridged = bone | ndimage.binary_closing(bone, iterations=2) if several.any() else bone
    target[several & bridged] = 2
    return target
