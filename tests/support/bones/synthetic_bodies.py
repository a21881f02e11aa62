"""A bone of simple solids with a body of known heights in front of an arch, and rows of such bones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from operators.geometry.volume import Grid, LabelMap
from operators.packages.packages import Label, ModelPackage
from operators.packages.structures import Structure
from tests.support.bones.synthetic_shapes import Points, Solid, drawn
from tests.support.dicom.seg_cases import ANATOMY, BONE, package

WIDTH_MM, DEPTH_MM, HEIGHT_MM, STEP_MM = 44.0, 32.0, 26.0, 35.0
Heights = tuple[float, float, float]
EVEN: Heights = (HEIGHT_MM, HEIGHT_MM, HEIGHT_MM)


def body_and_arch(heights: Heights = EVEN) -> Solid:
    """Returns a bone with its body about the origin, of these heights in front, in the middle and behind."""

    def inside(points: Points) -> NDArray[np.bool_]:
        x, y, z = np.moveaxis(points, -1, 0)
        front, middle, back = heights
        knots = np.array([-0.24, -0.12, 0.12, 0.24]) * DEPTH_MM
        half = np.interp(y, knots, [front, middle, middle, back]) / 2
        body = ((2 * x / WIDTH_MM) ** 2 + (2 * y / DEPTH_MM) ** 4 <= 1) & (np.abs(z) <= half)
        low = DEPTH_MM / 2 - 3
        pedicle = (np.abs(np.abs(x) - 13) <= 4) & (y > low) & (y <= low + 14) & (np.abs(z - 4) <= 6)
        lamina = (np.abs(x) <= 17) & (y > low + 13) & (y <= low + 20) & (np.abs(z) <= 9)
        process = (np.abs(x) <= 3) & (y > low + 18) & (y <= low + 45) & (np.abs(z + 4) <= 9)
        return np.asarray(body | pedicle | lamina | process, np.bool_)

    return inside


def placed(solid: Solid, centre: Points, turn: Rotation | None = None) -> Solid:
    """Returns a solid turned about the origin and moved to a centre."""
    matrix = (turn or Rotation.identity()).as_matrix()
    return lambda points: solid((points - centre) @ matrix)


def row_of_bodies(solids: list[Solid], spacing_mm: tuple[float, float, float] = (1.5, 1.5, 0.9)) -> LabelMap:
    """Returns a label map of bones 1, 2, ... from the top down, STEP_MM apart."""
    low = np.array([-36.0, -30.0, -(len(solids) + 0.4) * STEP_MM])
    high = np.array([36.0, 72.0, 1.4 * STEP_MM])
    n_i, n_j, n_k = (int(n) for n in np.ceil((high - low) / spacing_mm))
    affine = np.diag([*spacing_mm, 1.0])
    affine[:3, 3] = low
    moved = {n + 1: placed(solid, np.array([0.0, 0.0, -n * STEP_MM])) for n, solid in enumerate(solids)}
    return drawn(Grid((n_i, n_j, n_k), affine, "1.2.5"), moved)


def bodies_package(count: int, measurements: tuple[str, ...]) -> ModelPackage:
    """Returns a package that delivers bones 1, 2, ..., each with a vertebral body."""
    structures = (
        Structure(f"bone_{n}", f"Bone {n}", ANATOMY, BONE, None, (n, 2, 3), vertebral_body=True)
        for n in range(1, count + 1)
    )
    labels = tuple(Label(each, n, n) for n, each in enumerate(structures, start=1))
    return replace(package(), labels=labels, measurements=measurements)
