"""Runs the packages on one CT, and measures the result against what the CT shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cases.running import rounded
from benchmarks.accuracy.cases.scan import Scan
from benchmarks.bodies.cases import SIDES, Cases
from benchmarks.kept_rows import Row
from operators.errors import UnsuitableError
from operators.geometry.meshes import mesh_of
from operators.geometry.spheres import Sphere, find_sphere
from operators.geometry.surface_points import surface_points
from operators.geometry.volume import Box, CtVolume, Grid
from operators.networks.registry import Networks
from operators.packages.long_bones import LongBoneRules
from operators.packages.packages import ModelPackage
from operators.packages.structures import Structures
from operators.pipelines import several
from operators.segmentation.segmentation import Segmentation
from training.calibrate.intact import quiet

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class BoneScore:
    """One bone of a simulated CT.

    `dice` counts what any side of the structure got; `other_side` and `no_side` are shares of the bone's
    found voxels. `head_to_socket` is the share of its head's voxels that a socket got, `centre_mm` and
    `radius_mm` the errors of the sphere of its head; None where the field of view shows no head, or the
    result no bone.
    """

    bone: str
    true_ml: float
    dice: float
    other_side: float
    no_side: float
    head_to_socket: float | None = None
    centre_mm: float | None = None
    radius_mm: float | None = None


def segment(ct: CtVolume, packages: Sequence[ModelPackage], networks: Networks) -> Segmentation | str:
    """Returns the packages' segments, or the code of the refusal."""
    try:
        return several.segment(ct, packages, networks, quiet)
    except UnsuitableError as error:
        return error.code


def score_body(
    scan: Scan, names: Sequence[str], cases: Cases, structures: Structures, found: Segmentation | str
) -> Row:
    """Returns the scores of each bone, and the structures that were found but are not there."""
    by_structure = masks_of(found)
    truth = {
        name: mask for n, name in enumerate(names, start=1) if (mask := scan.truth.labels == n).sum() >= 1000
    }
    bones = [
        score_bone(name, truth[name], by_structure, cases, structures, scan.grid)
        for name in truth
        if structure_of(name) in cases.scored
    ]
    shown = {structure_of(name) for name in truth}
    absent = sorted({structure_of(name) for name in by_structure} - shown)
    return rounded({"bones": [asdict(bone) for bone in bones], "not_there": absent})


def score_bone(
    name: str,
    true: Mask,
    found: Mapping[str, Mask],
    cases: Cases,
    structures: Structures,
    grid: Grid,
) -> BoneScore:
    """Returns the scores of one bone."""
    structure, side = structure_of(name), name.rsplit("_", 1)[-1]
    own = {key: mask for key, mask in found.items() if structure_of(key) == structure}
    # The other bone of the pair is no false voxel of this one
    parts = {key: count for key, mask in own.items() if (count := int(np.count_nonzero(mask & true)))}
    common = sum(parts.values())
    near = sum(int(np.count_nonzero(mask)) for key, mask in own.items() if parts.get(key, 0) > 0.5 * common)
    shares = {key: count / max(common, 1) for key, count in parts.items()}
    wrong = sum(share for key, share in shares.items() if key.endswith(SIDES) and not key.endswith(side))
    unknown = sum(share for key, share in shares.items() if not key.endswith(SIDES))
    return BoneScore(
        name,
        true_ml=float(true.sum() * grid.voxel_volume_mm3 / 1000),
        dice=2 * common / max(near + int(np.count_nonzero(true)), 1),
        other_side=wrong,
        no_side=unknown,
        **score_head(structure, true, own, found, cases, structures, grid),
    )


def score_head(
    structure: str,
    true: Mask,
    own: Mapping[str, Mask],
    found: Mapping[str, Mask],
    cases: Cases,
    structures: Structures,
    grid: Grid,
) -> dict[str, float]:
    """Returns what the sphere of the bone's true head shows; nothing where the scan shows no head."""
    rules = structures[structure].long_bone
    head = head_of(true, grid, rules) if rules else None
    if rules is None or head is None:
        return {}
    inside = true & in_sphere(head, grid)
    socket = [mask for key, mask in found.items() if structure_of(key) == cases.sockets.get(structure)]
    taken = sum(int(np.count_nonzero(mask & inside)) for mask in socket)
    scores = {"head_to_socket": taken / int(np.count_nonzero(inside))}
    same = [mask for mask in own.values() if np.count_nonzero(mask & inside) > 0]
    seen = head_of(max(same, key=np.count_nonzero), grid, rules) if same else None
    if seen is not None:
        scores["centre_mm"] = float(np.linalg.norm(seen.centre - head.centre))
        scores["radius_mm"] = seen.radius_mm - head.radius_mm
    return scores


def head_of(mask: Mask, grid: Grid, rules: LongBoneRules) -> Sphere | None:
    """Returns the sphere of a bone's head; None if its mask shows none."""
    box = Box.around(mask)
    if box is None:
        return None
    box = box.grow([2, 2, 2], mask.shape)
    head = find_sphere(surface_points(mesh_of(mask[box.slices], grid.crop(box))), rules.head_radius_mm)
    return head if head is not None and head.cover >= rules.head_cover else None


def in_sphere(sphere: Sphere, grid: Grid) -> Mask:
    """Returns the voxels of a grid along the body's axes that lie in a sphere."""
    origin, spacing = grid.ijk_to_lps[:3, 3], np.array(grid.spacing_mm)
    steps = np.ogrid[tuple(slice(0, n) for n in grid.shape)]
    away_mm2 = sum(
        (o + step * s - c) ** 2 for step, o, s, c in zip(steps, origin, spacing, sphere.centre, strict=True)
    )
    return away_mm2 <= sphere.radius_mm**2


def masks_of(found: Segmentation | str) -> dict[str, Mask]:
    """Returns the voxels of each bone of a result, all of its fragments together."""
    if isinstance(found, str):
        return {}
    labels, values = found.label_map.labels, dict[str, list[int]]()
    for segment in found.segments:
        values.setdefault(segment.bone, []).append(segment.value)
    return {bone: np.isin(labels, own) for bone, own in values.items()}


def structure_of(name: str) -> str:
    """Returns the structure of a label's name: without its side."""
    return name.split("_", 1)[0]
