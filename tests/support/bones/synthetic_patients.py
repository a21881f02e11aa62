"""Patients of simple solids, and packages of limbs whose networks read the class of a voxel from its value.

All spacings are 4 mm, so that no voxel is interpolated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from operators.geometry.volume import CtVolume, Grid
from operators.networks.registry import Networks
from operators.networks.runtimes import Device, Runtime
from operators.package_files.package_reader import read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import Label, NetworkSpec
from tests.support.bones.synthetic_long_bones import capsule, long_bone, neck_top
from tests.support.bones.synthetic_shapes import Points, Solid, box, grid_around, points_of, sphere

Hu = NDArray[np.float32]
STEP_MM, WINDOW_HU = 4.0, (-1000.0, 3100.0)
GRID = grid_around((440.0, 160.0, 520.0), (STEP_MM,) * 3)
FLESH_HU, AIR_HU, METAL_HU, FIRST_HU, CLASS_HU = 40, -1000, 3000, 300, 60
Bones = Mapping[str, Sequence[Solid]]

PELVIS: Bones = {
    "sacrum": [box((-35, 20, 20), (35, 60, 110))],
    "vertebra": [box((-22, 20, 110), (22, 70, 200))],
    "hip": [box((40, -20, 60), (95, 40, 120)), box((-95, -20, 60), (-40, 40, 120))],
}
CHEST: Bones = {
    "vertebra": [box((-22, 20, -200), (22, 70, 120))],
    "skull": [box((-60, -60, 160), (60, 60, 250))],
}
PROSTHESIS: tuple[Solid, ...] = (
    lambda points: sphere(20.0)(points - neck_top(130.0)),
    capsule(np.zeros(3), neck_top(130.0), 13.0),
    capsule(np.zeros(3), np.array([0.0, 0.0, -120.0]), 6.0),
)


def limb(solid: Solid, at_mm: tuple[float, float, float], turn: Rotation | None = None) -> Solid:
    """Returns a solid of a limb at a place, its head towards the midline."""
    flip, matrix = np.array([-np.sign(at_mm[0]), 1.0, 1.0]), (turn or Rotation.identity()).as_matrix()
    return lambda points: solid((points - at_mm) @ matrix * flip)


def both(solid: Solid, at_mm: tuple[float, float, float], degrees: float = 0.0) -> list[Solid]:
    """Returns the solid on both sides, turned about the sagittal axis away from the midline."""
    x, y, z = at_mm
    return [
        limb(solid, (sign * x, y, z), Rotation.from_euler("y", -sign * degrees, degrees=True))
        for sign in (1, -1)
    ]


def thighs(solid: Solid | None = None) -> Bones:
    """Returns a pelvis with two straight thighs."""
    return {**PELVIS, "femur": both(solid or long_bone(130.0), (110, 0, 0))}


def made_ct(
    bones: Bones, classes: Sequence[str], turn: Rotation | None = None, around_hu: int = FLESH_HU
) -> CtVolume:
    """Returns a CT of bones, the whole patient turned; later solids lie over earlier ones."""
    points: Points = points_of(GRID) @ (turn or Rotation.identity()).as_matrix()
    hu = np.full(GRID.shape, around_hu, np.int16)
    for name, solids in bones.items():
        for solid in solids:
            hu[solid(points)] = METAL_HU if name == "metal" else FIRST_HU + CLASS_HU * classes.index(name)
    return CtVolume(hu, GRID)


def seen_along(ct: CtVolume, axes: tuple[int, int, int], flips: tuple[int, ...]) -> CtVolume:
    """Returns the same patient from an array with other axes, as other patient positions give."""
    affine = ct.grid.ijk_to_lps.copy()
    for axis in flips:
        affine[:3, 3] += affine[:3, axis] * (ct.hu.shape[axis] - 1)
        affine[:3, axis] *= -1
    affine[:3, :3] = affine[:3, :3][:, axes]
    hu = np.ascontiguousarray(np.flip(ct.hu, flips).transpose(axes), np.float32)
    return CtVolume(hu, Grid(hu.shape, affine, ct.grid.frame_of_reference_uid))


def limb_package(path: Path) -> CoarseToFinePackage:
    """Returns a package that ships with spacings of 4 mm, no guide and no mean shape."""
    package = read_coarse_to_fine_package(path)
    specs: dict[str, Any] = {
        spec.name: replace(
            spec,
            spacing_mm=(STEP_MM,) * 3,
            patch=(40, 40, 40),
            guide=(),
            window_hu=WINDOW_HU,
            sha256=spec.name,
        )
        for spec in package.networks
    }
    return replace(package, **specs, labels=tuple(map(without_shape, package.labels)))


def without_shape(label: Label) -> Label:
    """Returns a label whose side nothing but the trunk tells."""
    rules = label.structure.long_bone
    assert rules is not None
    return replace(label, structure=replace(label.structure, long_bone=replace(rules, shape=None)))


class ReadingNetworks(Networks):
    """Networks that read the class from the value; the fracture network sees no contact."""

    def __init__(self) -> None:
        super().__init__(Device("torch"))

    def get(self, spec: NetworkSpec) -> Runtime:
        """Returns a network with logits of its classes."""
        low, high = spec.window_hu

        def run(patch: Hu) -> Hu:
            hu = patch * (high - low) + low
            number = np.clip(np.rint((hu - FIRST_HU) / CLASS_HU), 0, len(spec.classes) - 1)
            if spec.name == "fracture":
                number = np.where(hu > FLESH_HU + CLASS_HU, 1, 0)
            known = np.arange(len(spec.classes))[:, None, None, None]
            return np.where(number[None] == known, 8.0, 0.0).astype(np.float32)

        return cast(Runtime, run)

    def rest(self) -> None:
        """Does nothing: there is no runtime."""
