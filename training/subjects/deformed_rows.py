"""Bodies with a bent row of bones, some of them compressed, burst, slipped, fused, missing or extra."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from training.row_tables import ChangesTable, DeformedRowTable
from training.sampling import smooth_noise
from training.subjects.row_course import Array, Course, course_of, turned
from training.subjects.subjects import Subject, class_of, from_structures, load_lps, names_of, resample

Labels = NDArray[np.uint8]
Placed = NDArray[np.float32]
Soft = NDArray[np.float32]
# The share of the distance between two bones that a body fills, and how far behind its centre it ends
FILLED, BACK_MM = 0.72, 16.0
# A slip and the joint of two copies of a bone are spread over this much of the row
SPREAD_MM = 4.0
# Smaller remains of a bone, where the scan ends, are no bone of the row
LEAST_MM3 = 2500.0
SLAB = 16


@dataclass(frozen=True, eq=False)
class BonesInRow:
    """A label map with a row of bones, their values from the top down, and its course."""

    structures: Labels
    names: Mapping[int, str]
    values: tuple[int, ...]
    course: Course
    spacing_mm: float


def deformed_row_subject(
    data: Path, row: DeformedRowTable, classes: dict[str, list[str]], number: int
) -> Subject:
    """Returns body number 0, 1, ... of a row of the recipe; number 0 is as it is in the label map."""
    rng = np.random.default_rng([number, 4000])
    bones = read_row(data, row, classes)
    if number:
        bones = deformed(rng, bones, row.changes)
    names = {0: "fat", **bones.names}
    name = f"{row.path.split('/')[-1].split('.')[0]} bent {number}"
    return from_structures(name, bones.structures, names, classes, bones.spacing_mm, row.margin_mm)


def read_row(data: Path, row: DeformedRowTable, classes: dict[str, list[str]]) -> BonesInRow:
    """Reads a label map, cut to what lies around its row of bones."""
    array, spacing = load_lps(data / row.path)
    names = names_of(data, row)  # type: ignore[arg-type]
    structures = fine_labels(array.astype(np.uint8), spacing, row.spacing_mm)
    sizes = np.bincount(structures.ravel(), minlength=256) * row.spacing_mm**3
    own = {v: class_of(n, classes) for v, n in names.items() if class_of(n, classes)}
    values = tuple(sorted((v for v in own if sizes[v] >= LEAST_MM3), key=lambda v: own[v]))
    there = np.argwhere(np.isin(structures, values))
    low, high = there.min(axis=0), there.max(axis=0) + 1
    margin = np.array([*row.around_mm, 40.0]) / row.spacing_mm
    start = np.maximum(low - margin, 0).astype(int)
    stop = np.minimum(high + margin, structures.shape).astype(int)
    cut = np.ascontiguousarray(structures[tuple(slice(a, b) for a, b in zip(start, stop, strict=True))])
    return BonesInRow(cut, names, values, course_of(cut, values, row.spacing_mm), row.spacing_mm)


def fine_labels(array: Labels, spacing: Array, to_mm: float) -> Labels:
    """Returns labels at cubic voxels: of finer ones the most frequent in smoothed masks, not any nearest."""
    if spacing.min() > 0.8 * to_mm:
        return np.asarray(resample(array, spacing, to_mm, 0), np.uint8)
    zoom = spacing / to_mm
    labels = np.zeros(np.round(np.array(array.shape) * zoom).astype(int), np.uint8)
    best = np.zeros(labels.shape, np.float32)
    for value, box in enumerate(ndimage.find_objects(array), start=1):
        if box is not None:
            add_soft(labels, best, array == value, value, zoom, box)
    return labels


def add_soft(
    labels: Labels, best: Soft, mask: NDArray[np.bool_], value: int, zoom: Array, box: tuple[slice, ...]
) -> None:
    """Adds a mask to coarser labels, in place, where it has at least half of a voxel and the most."""
    start = [max(int(np.floor(side.start * z)) - 2, 0) for side, z in zip(box, zoom, strict=True)]
    stop = [
        min(int(np.ceil(side.stop * z)) + 2, n) for side, z, n in zip(box, zoom, labels.shape, strict=True)
    ]
    at = [(np.arange(a, b) + 0.5) / z - 0.5 for a, b, z in zip(start, stop, zoom, strict=True)]
    margin = tuple(slice(max(side.start - 8, 0), side.stop + 8) for side in box)
    soft = ndimage.gaussian_filter(mask[margin].astype(np.float32), 0.4 / zoom)
    own = [axis - side.start for axis, side in zip(at, margin, strict=True)]
    share = ndimage.map_coordinates(soft, np.meshgrid(*own, indexing="ij"), order=1)
    block = tuple(slice(a, b) for a, b in zip(start, stop, strict=True))
    better = (share > best[block]) & (share >= 0.5)
    labels[block][better], best[block][better] = value, share[better]


def deformed(rng: np.random.Generator, bones: BonesInRow, rules: ChangesTable) -> BonesInRow:
    """Returns the row bent and changed at random."""
    bent = turned(bones.course, turns_of(rng, len(bones.course.points), rules))
    placed = by_slab(bent.place, coordinates(bones, bent))
    bones, placed = with_other_number(rng, bones, placed, rules)
    if rng.random() < rules.slipped:
        placed = slipped(rng, bones, placed, rng.uniform(*rules.slip_mm))
    broken = rng.random() < rules.compressed
    chosen = rng.choice(len(bones.values), min(int(rng.integers(1, 4)), len(bones.values)), replace=False)
    for number in chosen.tolist() if broken else ():
        placed = compressed(rng, bones, placed, number, rng.uniform(*rules.loss))
    structures = sampled(bones, placed)
    made = replace(bones, structures=structures)
    made = numbered(made, placed)
    if broken and rng.random() < rules.burst / max(rules.compressed, 1e-6):
        burst(rng, made, int(chosen[0]))
    if rng.random() < rules.fused:
        fuse(made, int(rng.integers(max(len(made.values) - 1, 1))))
    if rng.random() < rules.spurs:
        grow_spurs(rng, made)
    return made


def turns_of(rng: np.random.Generator, count: int, rules: ChangesTable) -> Array:
    """Returns smooth turns (N, 3, 3) along the row: sideways in one or two curves, forward, and about it."""
    share = np.linspace(0, 1, count)
    waves = rng.uniform(0.5, 1.6)
    bend = np.sin(2 * np.pi * waves * (share - rng.uniform()))
    side = rng.uniform(-1, 1) ** 3 * rules.sideways_deg * bend
    forward = (
        rng.uniform(-1, 1)
        * rules.forward_deg
        * np.sin(np.pi * (share - rng.uniform()) * rng.uniform(0.5, 1.5))
    )
    about = -0.6 * side + rng.uniform(-4, 4)
    angles = np.stack([forward - forward[0], side - side[0], about], axis=1)
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix()


def by_slab(change: Callable[[Placed], Placed], at: Placed) -> Placed:
    """Returns coordinates (3, I, J, K) changed slab by slab: the whole takes twelve times the memory."""
    made = np.empty_like(at)
    for first in range(0, at.shape[3], SLAB):
        slab = np.ascontiguousarray(at[..., first : first + SLAB])
        made[..., first : first + SLAB] = change(slab)
    return made


def coordinates(bones: BonesInRow, bent: Course) -> Placed:
    """Returns the place in mm (3, I, J, K) of the voxels of a block that holds the bent row."""
    spare = np.array([60.0, 60.0, 0.0])
    whole = np.array(bones.structures.shape) * bones.spacing_mm
    used = bent.points
    low = np.minimum(used.min(axis=0) - spare, 0 * whole)
    high = np.maximum(used.max(axis=0) + spare, whole)
    # A bone that is there twice makes the row longer
    low[2], high[2] = used[:, 2].min(), used[:, 2].max() - 30
    steps = (np.arange(a, b, bones.spacing_mm, dtype=np.float32) for a, b in zip(low, high, strict=True))
    return np.stack(np.meshgrid(*steps, indexing="ij"))


def sampled(bones: BonesInRow, placed: Placed) -> Labels:
    """Returns the labels at coordinates (3, ...) along and across the row's own course."""
    at = by_slab(bones.course.lps, placed) / np.float32(bones.spacing_mm)
    found: Labels = ndimage.map_coordinates(bones.structures, at, order=0, mode="constant", cval=0)
    return found


def bounds_of(bones: BonesInRow) -> Array:
    """Returns the places (N + 1,) in mm between the bones along the row, half way between their centres."""
    levels = bones.course.levels_mm
    between = (levels[1:] + levels[:-1]) / 2
    first = between[0] - levels[0] if len(between) else 15.0
    last = levels[-1] - between[-1] if len(between) else 15.0
    return np.concatenate([[levels[0] - first], between, [levels[-1] + last]])


def with_other_number(
    rng: np.random.Generator, bones: BonesInRow, placed: Placed, rules: ChangesTable
) -> tuple[BonesInRow, Placed]:
    """Returns the row and its coordinates with a bone left out or there twice, at times."""
    named = [bones.names[value] for value in bones.values]
    bounds, chance = bounds_of(bones), rng.random()
    if chance < rules.missing:
        number = pick(rng, named, rules.missing_levels)
        if number is not None:
            length = bounds[number + 1] - bounds[number]
            along = placed[2] + np.float32(length) * (placed[2] > bounds[number])
            return bones, np.stack([placed[0], placed[1], along])
    elif chance < rules.missing + rules.extra:
        number = pick(rng, named, tuple(rules.extra_levels))
        if number is not None:
            return doubled(bones, placed, number, rules.extra_levels[named[number]])
    return bones, placed


def pick(rng: np.random.Generator, named: list[str], levels: tuple[str, ...]) -> int | None:
    """Returns the number of one of the levels that the row has, but not its first bone."""
    there = [number for number, name in enumerate(named) if name in levels and number > 0]
    return int(rng.choice(there)) if there else None


def doubled(bones: BonesInRow, placed: Placed, number: int, extra: str) -> tuple[BonesInRow, Placed]:
    """Returns the row with a bone there twice; the second, lower one is a level of its own."""
    bounds = bounds_of(bones)
    length = np.float32(bounds[number + 1] - bounds[number])
    second = placed[2] > bounds[number + 1]
    along = placed[2] - length * second
    value = max(max(bones.names), int(bones.structures.max())) + 1
    names = {**bones.names, value: extra}
    made = replace(
        bones, names=names, values=(*bones.values[: number + 1], value, *bones.values[number + 1 :])
    )
    return made, np.stack([placed[0], placed[1], along])


def numbered(bones: BonesInRow, placed: Placed) -> BonesInRow:
    """Returns the row with the lower of two copies of a bone under its own value, if there are two."""
    structures = bones.structures
    for one, other in zip(bones.values[:-1], bones.values[1:], strict=True):
        if not (structures == other).any() and (structures == one).any():
            pieces, count = ndimage.label(structures == one)
            sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
            if count >= 2 and sorted(sizes)[-2] > 0.4 * max(sizes):
                large = 1 + np.argsort(-sizes)[:2]
                tops = [np.argwhere(pieces == n)[:, 2].mean() for n in large]
                lower = pieces == large[int(np.argmin(tops))]
                structures = np.where(lower, np.uint8(other), structures)
    del placed
    there = tuple(value for value in bones.values if (structures == value).any())
    return replace(
        bones,
        structures=structures,
        values=there,
        course=course_of(structures, there, bones.spacing_mm),
    )


def slipped(rng: np.random.Generator, bones: BonesInRow, placed: Placed, slip_mm: float) -> Placed:
    """Returns coordinates with everything above one bone shifted forward."""
    bounds = bounds_of(bones)
    at = float(rng.choice(bounds[1:-1])) if len(bounds) > 2 else float(bounds[0])
    share = np.clip((at - placed[2]) / SPREAD_MM + 0.5, 0, 1)
    return np.stack([placed[0], placed[1] + np.float32(slip_mm) * share, placed[2]])


def compressed(
    rng: np.random.Generator, bones: BonesInRow, placed: Placed, number: int, loss: float
) -> Placed:
    """Returns coordinates with the body of one bone lower: in front, in the middle, or as a whole.

    The spaces above and below it grow by as much, so that all other bones stay where they are.
    """
    bounds = bounds_of(bones)
    half = (bounds[number + 1] - bounds[number]) / 2
    middle = (bounds[number + 1] + bounds[number]) / 2
    fall = fall_off(str(rng.choice(["wedge", "biconcave", "crush"])), placed[1])
    kept = 1 - np.float32(loss) * fall * np.exp(-((placed[0] / 28) ** 4))
    away = (placed[2] - middle) / np.float32(half)
    size, body = np.abs(away), np.float32(FILLED)
    inner = size / kept
    outer = body + (size - body * kept) * (1 - body) / np.maximum(1 - body * kept, 1e-3)
    moved = np.where(size <= body * kept, inner, outer)
    changed = np.where(size < 1, middle + half * np.sign(away) * moved, placed[2]).astype(np.float32)
    return np.stack([placed[0], placed[1], changed])


def fall_off(form: str, back_mm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns how much of a loss of height there is at places in mm behind the body's centre."""
    behind = np.clip((BACK_MM + 2 - back_mm) / 4, 0, 1)
    forms = {
        "wedge": np.clip((BACK_MM - back_mm) / (2 * BACK_MM), 0, 1),
        "biconcave": np.exp(-((back_mm / 9) ** 2)),
        "crush": np.ones_like(back_mm),
    }
    return np.asarray(forms[form] * behind, np.float32)


def burst(rng: np.random.Generator, bones: BonesInRow, number: int) -> None:
    """Widens the body of a bone and opens gaps in it, in place."""
    if number >= len(bones.values):
        return
    value, spacing_mm = bones.values[number], bones.spacing_mm
    mask = bones.structures == value
    centre = body_index(bones, number)
    away = (
        np.stack(np.meshgrid(*(np.arange(n) for n in mask.shape), indexing="ij"))
        - centre[:, None, None, None]
    )
    near = (np.linalg.norm(away, axis=0) * spacing_mm) < 24
    grown = ndimage.binary_dilation(mask, iterations=max(1, round(rng.uniform(1.5, 3.5) / spacing_mm))) & near
    bones.structures[grown & (bones.structures == 0)] = value
    for _ in range(int(rng.integers(1, 4))):
        normal = rng.standard_normal(3) * [1.0, 1.0, 0.5]
        height = np.tensordot(normal / np.linalg.norm(normal), away, 1) * spacing_mm
        height = height + 2 * smooth_noise(rng, mask.shape, 8) + rng.uniform(-6, 6)
        gap = (np.abs(height) < rng.uniform(0.8, 1.8)) & near
        bones.structures[gap & (bones.structures == value)] = 0


def body_index(bones: BonesInRow, number: int) -> Array:
    """Returns the array index (3,) of a body's centre."""
    return (
        bones.course.lps(np.array([0, 0, bones.course.levels_mm[number]], np.float32)[:, None])[:, 0].astype(
            np.float64
        )
        / bones.spacing_mm
    )


def fuse(bones: BonesInRow, number: int) -> None:
    """Fills the space between the bodies of two neighbours with bone, in place."""
    if number + 1 >= len(bones.values):
        return
    both = np.isin(bones.structures, bones.values[number : number + 2])
    closed = ndimage.binary_closing(both, iterations=max(1, round(5 / bones.spacing_mm)))
    one, other = (bones.structures == value for value in bones.values[number : number + 2])
    new = closed & (bones.structures == 0)
    nearer = ndimage.distance_transform_edt(~one) <= ndimage.distance_transform_edt(~other)
    bones.structures[new & nearer] = bones.values[number]
    bones.structures[new & ~nearer] = bones.values[number + 1]


def grow_spurs(rng: np.random.Generator, bones: BonesInRow) -> None:
    """Grows spurs on some of the bones, in place, where there is soft tissue."""
    rough = smooth_noise(rng, bones.structures.shape, max(bones.structures.shape) // 6)
    for value in bones.values:
        if rng.random() < 0.5:
            box = tuple(
                slice(max(s.start - 4, 0), s.stop + 4)
                for s in ndimage.find_objects((bones.structures == value).astype(np.uint8))[0]
            )
            part = bones.structures[box]
            grown = ndimage.binary_dilation(
                part == value, iterations=max(1, round(rng.uniform(1.5, 4) / bones.spacing_mm))
            )
            part[grown & (part == 0) & (rough[box] > rng.uniform(1.0, 2.0))] = value
