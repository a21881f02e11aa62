"""The person who is drawn: size, proportions, posture, and the points at which a grid samples the model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from operators.geometry.volume import Grid
from training.phantoms.resample import fine_positions, interpolate
from training.phantoms.shapes import Point, Points

MIDDLE_Y_MM = 15.0


@dataclass(frozen=True)
class PhantomSubject:
    """One imaginary person. Scales are ratios; `waves` are (amplitude mm, phase) of smooth warps."""

    scale: tuple[float, float, float]
    tilt_deg: float
    roll_deg: float
    turn_deg: float
    waves: tuple[tuple[float, float], ...]
    fat_mm: float
    seed: int


def random_subject(rng: np.random.Generator) -> PhantomSubject:
    """Draws a subject: size within about 8 %, proportions within 5 %, pelvic tilt within 10 degrees."""
    size = rng.normal(1.0, 0.035)
    width, depth, height = (float(np.clip(size * rng.normal(1.0, 0.025), 0.88, 1.12)) for _ in range(3))
    tilt, roll, turn = (float(rng.uniform(-a, a)) for a in (9.0, 3.0, 3.0))
    waves = tuple((float(rng.uniform(0.5, 2.2)), float(rng.uniform(0, 2 * np.pi))) for _ in range(6))
    fat = float(rng.uniform(12, 34))
    return PhantomSubject((width, depth, height), tilt, roll, turn, waves, fat, int(rng.integers(2**31)))


def supine_subject(rng: np.random.Generator) -> PhantomSubject:
    """Draws a subject like `random_subject`, but lying straight, for pictures."""
    posed = replace(random_subject(rng), tilt_deg=0.0, roll_deg=0.5, turn_deg=-0.8)
    return replace(posed, scale=(1.0, 1.0, 1.0), fat_mm=22.0)


def grid_at(spacing_mm: tuple[float, float, float], extent_mm: Point, lowest_z_mm: float) -> Grid:
    """Returns a grid along the patient's axes, centred between the femoral heads, from `lowest_z_mm` up."""
    shape = [round(e / s) for e, s in zip(extent_mm, spacing_mm, strict=True)]
    affine = np.diag([*spacing_mm, 1.0])
    reach = [(n - 1) / 2 * s for n, s in zip(shape, spacing_mm, strict=True)]
    affine[:3, 3] = [-reach[0], MIDDLE_Y_MM - reach[1], lowest_z_mm]
    return Grid((shape[0], shape[1], shape[2]), affine)


def covering(grid: Grid, step_mm: float) -> Grid:
    """Returns a coarse grid that covers the fine one with a margin of one voxel."""
    extent = [n * s + 2 * step_mm for n, s in zip(grid.shape, grid.spacing_mm, strict=True)]
    lowest = float(grid.ijk_to_lps[2, 3]) - step_mm
    return grid_at((step_mm,) * 3, (extent[0], extent[1], extent[2]), lowest)


def turning(subject: PhantomSubject) -> NDArray[np.float64]:
    """Returns the 3x3 matrix from patient mm to model mm, before the waves."""
    a, b, c = np.radians([subject.tilt_deg, subject.roll_deg, subject.turn_deg])
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(np.diag(1 / np.array(subject.scale)) @ about_x @ about_y @ about_z)


def model_points(grid: Grid, subject: PhantomSubject) -> Points:
    """Returns model coordinates of every voxel; the warp is computed on every fourth (error < 0.02 mm)."""
    coarse = Grid(
        (-(-grid.shape[0] // 4) + 1, -(-grid.shape[1] // 4) + 1, -(-grid.shape[2] // 4) + 1),
        grid.ijk_to_lps @ np.diag([4.0, 4.0, 4.0, 1.0]),
    )
    to_model = np.eye(4)
    to_model[:3, :3] = turning(subject)
    m = (to_model @ coarse.ijk_to_lps).astype(np.float32)
    i, j, k = (n.astype(np.float32) for n in np.ogrid[tuple(slice(0, n) for n in coarse.shape)])
    warped = _waved(Points(*(row[0] * i + row[1] * j + row[2] * k + row[3] for row in m[:3])), subject)
    positions = fine_positions(coarse, grid)
    x, y, z = (interpolate(axis, positions) for axis in (warped.x, warped.y, warped.z))
    return Points(x, y, z)


def _waved(p: Points, subject: PhantomSubject) -> Points:
    """Warps points by long sine waves (period about 170 mm), so that no two subjects match."""
    k = np.float32(2 * np.pi / 170)
    w = [(np.float32(a), np.float32(b)) for a, b in subject.waves]
    x = p.x + w[0][0] * np.sin(k * p.z + w[0][1]) * np.tanh(p.x / 40) + w[1][0] * np.sin(k * p.y + w[1][1])
    y = p.y + w[2][0] * np.sin(k * p.z + w[2][1]) + w[3][0] * np.cos(k * p.x)
    z = p.z + w[4][0] * np.sin(k * p.y + w[4][1]) + w[5][0] * 0.5 * np.sin(k * p.x + w[5][1])
    return Points(x.astype(np.float32), y.astype(np.float32), z.astype(np.float32))
