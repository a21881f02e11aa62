"""Heights of real vertebrae do not depend on how the patient lies, and little on the scan's spacing.

The masks are of expert and of automatic outlines; no heights measured by people are with them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from operators.geometry.resampling import interpolate_mask
from operators.geometry.volume import Box, Grid
from operators.measure.vertebral.heights import body_shape
from training.subjects.subjects import load_lps

DATA = Path(__file__).parents[5] / "shared" / "data"
# One deformed body, of value 20, and four others
FILE = DATA / "spine_labels" / "sub-verse010_seg-vert_msk.nii.gz"
CRUSHED = DATA / "spine_labels" / "sub-verse004_seg-vert_msk.nii.gz"
pytestmark = pytest.mark.real_data


def masks(file: Path = FILE) -> list[tuple[np.ndarray, Grid]]:
    labels, spacing = load_lps(file)
    labels = labels.astype(np.uint8)
    grid, found = Grid(labels.shape, np.diag([*spacing, 1.0])), []
    for value, box in enumerate(ndimage.find_objects(labels), start=1):
        if box is not None:
            grown = Box.of(box).grow_mm(3.0, grid.spacing_mm, labels.shape)
            found.append((labels[grown.slices] == value, grid.crop(grown)))
    return found


def lying(mask: np.ndarray, grid: Grid, turn: Rotation, spacing_mm: np.ndarray) -> tuple[np.ndarray, Grid]:
    """A bone as it is scanned in a patient who is turned."""
    middle = (grid.ijk_to_lps @ [*(np.array(mask.shape) - 1) / 2, 1.0])[:3]
    count = np.ceil(np.linalg.norm(np.array(mask.shape) * grid.spacing_mm) / spacing_mm).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = turn.as_matrix() @ np.diag(spacing_mm)
    affine[:3, 3] = middle - affine[:3, :3] @ ((count - 1) / 2 + 0.3)
    shape = (int(count[0]), int(count[1]), int(count[2]))
    return interpolate_mask(mask, grid, Grid(shape, affine)), Grid(shape, np.diag([*spacing_mm, 1.0]))


@pytest.mark.parametrize(("slice_mm", "mean_mm", "most_mm"), [(1.0, 0.5, 1.0), (3.0, 1.0, 2.0)])
def test_heights_are_repeatable(slice_mm: float, mean_mm: float, most_mm: float) -> None:
    rng, off = np.random.default_rng(1), []
    for mask, grid in masks():
        known = body_shape(mask, grid)
        turn = Rotation.from_rotvec(np.radians(20) * rng.dirichlet(np.ones(3)))
        again = body_shape(*lying(mask, grid, turn, np.array([0.8, 0.8, slice_mm])))
        assert known is not None
        assert again is not None
        off += [abs(known.heights_mm[name] - again.heights_mm[name]) for name in known.heights_mm]
    assert np.mean(off) <= mean_mm
    assert max(off) <= most_mm


def test_the_compressed_body_is_the_lowest() -> None:
    shapes = [body_shape(mask, grid) for mask, grid in masks()]
    middles = [shape.heights_mm["middle"] for shape in shapes if shape is not None]
    assert len(middles) == 5
    assert middles[0] < 0.75 * np.mean(middles[1:3])


def test_the_back_is_behind_and_the_top_above() -> None:
    for mask, grid in masks():
        shape = body_shape(mask, grid)
        assert shape is not None
        assert shape.axes.back[1] > 0.8
        assert shape.axes.up[2] > 0.8


def test_a_crushed_body_is_told_from_the_arch_which_is_thicker() -> None:
    shapes = [body_shape(mask, grid) for mask, grid in masks(CRUSHED)]
    middles = [shape.heights_mm["middle"] for shape in shapes if shape is not None]
    assert len(middles) == 9
    # Of T9 to L5 the first of the lumbar ones is crushed
    assert int(np.argmin(middles)) == 4
    assert middles[4] == pytest.approx(10.0, abs=3.0)
