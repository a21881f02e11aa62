"""Prints how often fragments of bones are said to lie where they do.

python -m benchmarks.places --structure hip --side left --piece 1 --mean-of FILES... --unseen FILES...

All files hold surfaces in correspondence. The landmarks part the mean of the first, and so the same vertices
of each of the others: bones that are broken by random planes, moved apart, drawn as voxels, and measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from benchmarks.long_bones.axes import SEGMENT, SPACING_MM
from benchmarks.long_bones.shapes import voxelised
from operators.geometry.meshes import Mesh
from operators.geometry.surface_points import surface_points
from operators.geometry.volume import Box, LabelMap
from operators.measure.measured_bone import MeasuredBone
from operators.measure.measuring import measure_segment
from operators.measure.places import add_places, nearest_places, place_of
from operators.packages.structures import Side, Structure, read_structures
from operators.segmentation.measurements import NotMeasurable, Place
from research.mean_shape import piece_of, posed_mean, read_surfaces
from training.command_line import MANY, run

Points = NDArray[np.float64]

BREAKS = 10
# Fragments with less of the surface are splinters
LEAST_SHARE = 0.03
TURN_DEG, SHIFT_MM = 5.0, 5.0


@dataclass(frozen=True)
class Said:
    """Where a fragment lies, and where it was said to lie."""

    true: Place
    said: Place | NotMeasurable | None


def main(
    *,
    structure: str,
    side: Side | None = None,
    piece: int = 0,
    mean_of: Annotated[tuple[Path, ...], MANY],
    unseen: Annotated[tuple[Path, ...], MANY],
) -> None:
    """Breaks and measures the bones."""
    named = read_structures()[structure].structure(structure, side)
    corners, faces = piece_of(*read_surfaces(mean_of), piece)
    radii_mm = None if named.long_bone is None else named.long_bone.head_radius_mm
    assert named.places is not None
    landmarks = named.places.landmarks_mm
    owners = nearest_places(posed_mean(corners, faces, radii_mm), list(landmarks.values()))
    bones, _ = piece_of(*read_surfaces(unseen), piece)
    rng = np.random.default_rng(0)
    found: list[Said] = []
    for path, bone in zip(unseen, bones, strict=True):
        for _ in range(BREAKS):
            found += broken(bone, faces, named, tuple(landmarks), owners, rng)
        print(path.stem, summary_of(found), flush=True)


def broken(
    bone: Points,
    faces: NDArray[np.int32],
    structure: Structure,
    names: tuple[str, ...],
    owners: NDArray[np.int_],
    rng: np.random.Generator,
) -> Iterator[Said]:
    """Yields the fragments of a bone (N, 3) that one or two planes break it into."""
    whole = voxelised(Mesh(bone.astype(np.float32), faces), SPACING_MM)
    inside = np.argwhere(whole.labels > 0)
    voxels = whole.grid.to_lps(inside.astype(float))
    surface = surface_points(Mesh(bone.astype(np.float32), faces)).points
    places = owners[cKDTree(bone).query(surface)[1]]
    parts_of_voxels, parts = cut(bone, rng, voxels, surface)
    kept = [n for n in np.unique(parts) if (parts == n).mean() >= LEAST_SHARE]
    if len(kept) < 2:
        return
    labels = np.zeros(whole.labels.shape, np.uint8)
    for value, part in enumerate(kept, start=1):
        moved = shaken(voxels[parts_of_voxels == part], rng) if value > 1 else voxels[parts_of_voxels == part]
        at = np.round(whole.grid.to_ijk(moved)).astype(int)
        at = at[((at >= 0) & (at < labels.shape)).all(axis=1)]
        labels[tuple(at.T)] = value
    rows = measured(LabelMap(labels, whole.grid), len(kept), structure)
    for part, said in zip(kept, rows, strict=True):
        yield Said(place_of(places[parts == part], names), said)


def cut(bone: Points, rng: np.random.Generator, *of: Points) -> list[NDArray[np.int_]]:
    """Returns which side of one or two random planes through a bone points lie on, as numbers."""
    numbers = [np.zeros(len(points), int) for points in of]
    for plane in range(int(rng.integers(1, 3))):
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        offset = float(bone[rng.integers(len(bone))] @ normal)
        for points, number in zip(of, numbers, strict=True):
            number += (points @ normal > offset).astype(int) << plane
    return numbers


def shaken(points: Points, rng: np.random.Generator) -> Points:
    """Returns points (N, 3) after a small movement about their middle."""
    turn = Rotation.from_rotvec(rng.normal(0, np.radians(TURN_DEG), 3)).as_matrix()
    middle = points.mean(axis=0)
    return (points - middle) @ turn.T + middle + rng.normal(0, SHIFT_MM, 3)


def measured(label_map: LabelMap, count: int, structure: Structure) -> list[Place | NotMeasurable | None]:
    """Returns where the fragments 1 to `count` are said to lie."""
    found = []
    for value in range(1, count + 1):
        box = Box.around(label_map.labels == value)
        assert box is not None
        found.append((replace(SEGMENT, value=value), measure_segment(label_map, value, box.slices)))
    bone = MeasuredBone(found, found, label_map, structure)
    return [row.place for row in add_places(bone, [row for _, row in found])]


def summary_of(found: list[Said]) -> str:
    """Returns the shares of fragments whose main place, and whose every place, is told rightly."""
    told = [(each.said.names, each.true.names) for each in found if isinstance(each.said, Place)]
    main = np.mean([said[0] == true[0] for said, true in told])
    among = np.mean([said[0] in true for said, true in told])
    both = sum(len({*said} & {*true}) for said, true in told)
    precision = both / max(sum(len(said) for said, _ in told), 1)
    recall = both / max(sum(len(true) for _, true in told), 1)
    return (
        f"{len(found)} fragments, {len(found) - len(told)} not measurable; main place right {main:.3f}, "
        f"among the true ones {among:.3f}; places: precision {precision:.3f}, recall {recall:.3f}"
    )


if __name__ == "__main__":
    run(main, __doc__)
