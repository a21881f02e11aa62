"""Where voxels lie, by value: a phantom's Hounsfield units say at which place each was made."""

from pathlib import Path

import numpy as np
import pytest

from operators.dicom.pixels.volume_reader import read_volume
from operators.dicom.read.geometry import Stack, lay_out
from operators.dicom.read.scan import scan
from operators.dicom.read.slice_order import UnfitError, order_slices
from operators.geometry.volume import CtVolume
from tests.support.dicom import phantoms

SHAPE = (7, 6, 5)


def read_back(folder: Path, affine: np.ndarray) -> CtVolume:
    phantoms.write_ct(folder, phantoms.position_volume(SHAPE, affine), affine)
    (series,) = scan(folder).series
    return read_volume(series)


def worst_hu_error(volume: CtVolume) -> float:
    """How far any voxel's value is from what belongs where the grid puts it."""
    indices = np.moveaxis(np.indices(volume.hu.shape), 0, -1)
    grid = volume.grid.ijk_to_lps
    expected = phantoms.position_hu(indices @ grid[:3, :3].T + grid[:3, 3])
    return float(np.abs(volume.hu - expected).max())


@pytest.mark.parametrize("number", range(48))
def test_every_orientation_puts_every_voxel_where_it_was(tmp_path: Path, number: int) -> None:
    volume = read_back(tmp_path, phantoms.all_orientations()[number])
    assert volume.hu.shape == SHAPE
    assert worst_hu_error(volume) < 0.51


@pytest.mark.parametrize(
    "affine", [phantoms.oblique_affine(), phantoms.tilted_affine(), phantoms.tilted_affine(-15)]
)
def test_oblique_and_tilted_slices_lie_where_they_were(tmp_path: Path, affine: np.ndarray) -> None:
    volume = read_back(tmp_path, affine)
    assert worst_hu_error(volume) < 0.52
    assert np.linalg.det(volume.grid.ijk_to_lps[:3, :3]) > 0


def test_unequal_pixel_spacing_is_not_swapped(tmp_path: Path) -> None:
    affine = phantoms.axial_affine(spacing_mm=(0.5, 2.0, 3.0))
    volume = read_back(tmp_path, affine)
    assert volume.grid.spacing_mm == pytest.approx((0.5, 2.0, 3.0))
    assert worst_hu_error(volume) < 0.51


def test_slices_in_descending_order_give_the_same_grid_as_in_ascending_order(tmp_path: Path) -> None:
    up = phantoms.axial_affine()
    down = up.copy()
    down[:3, 3] = up[:3, 3] + 4 * up[:3, 2]
    down[:3, 2] *= -1
    first, second = read_back(tmp_path / "up", up), read_back(tmp_path / "down", down)
    assert first.grid.same_as(second.grid)
    assert np.array_equal(first.hu, second.hu)


def stack(depths_mm: list[float], sideways_mm: dict[int, float] | None = None) -> Stack:
    origins = np.array([[0.0, 0.0, depth] for depth in depths_mm])
    for n, shift in (sideways_mm or {}).items():
        origins[n, 0] += shift
    return Stack(origins, (1, 0, 0, 0, 1, 0), (0.5, 0.5), 16, 16, "1.2")


def test_jitter_below_a_tenth_of_the_spacing_counts_as_regular() -> None:
    layout = lay_out(stack([0, 3.2, 5.9, 9.1, 12, 15]))
    assert layout.k == (0, 1, 2, 3, 4, 5)
    assert layout.warnings == ()


def test_a_missing_slice_leaves_a_gap_in_the_indices_and_a_warning() -> None:
    layout = lay_out(stack([3.0 * n for n in range(12) if n != 4]))
    assert layout.k == tuple(float(n) for n in range(12) if n != 4)
    assert layout.grid is not None
    assert layout.grid.shape[2] == 12
    assert "1 of 12 slices are missing" in layout.warnings[0]


@pytest.mark.parametrize("missing", [(4, 5), (3, 7)])
def test_two_missing_slices_of_twelve_are_too_many(missing: tuple[int, ...]) -> None:
    layout = lay_out(stack([3.0 * n for n in range(12) if n not in missing]))
    assert layout.grid is None
    assert layout.fault is not None
    assert layout.fault[0] == "missing_slices"


@pytest.mark.parametrize("extra_mm", [-1.4, 10.0, 13.6, 29.0])
def test_one_slice_off_the_grid_is_put_aside(extra_mm: float) -> None:
    depths = [*(3.0 * n for n in range(10)), extra_mm]
    layout = lay_out(stack(depths))
    assert layout.aside == (10,)
    assert layout.k == tuple(map(float, range(10)))
    assert layout.grid is not None
    assert layout.grid.spacing_mm[2] == pytest.approx(3.0)


def test_a_slice_beside_the_others_is_put_aside() -> None:
    layout = lay_out(stack([3.0 * n for n in range(10)], {4: 40.0}))
    assert layout.aside == (4,)
    assert layout.grid is not None
    assert layout.grid.ijk_to_lps[:3, 2] == pytest.approx([0, 0, 3.0])


def test_many_slices_beside_each_other_are_refused() -> None:
    layout = lay_out(stack([3.0 * n for n in range(10)], {2: 40.0, 4: -30.0, 5: 9.0, 7: 4.0}))
    assert layout.fault is not None
    assert layout.fault[0] == "irregular_position"


def test_varying_gaps_are_laid_on_a_grid_of_the_smaller_ones() -> None:
    depths = [0, 2, 4, 6, 8, 10, 13, 16, 19, 22]
    layout = lay_out(stack([float(depth) for depth in depths]))
    assert layout.grid is not None
    assert layout.grid.spacing_mm[2] == pytest.approx(2.0)
    assert layout.k == pytest.approx([depth / 2 for depth in depths])


def test_a_hole_in_the_middle_is_not_bridged() -> None:
    with pytest.raises(UnfitError, match="missing"):
        order_slices(np.array([0.0, 3, 6, 9, 30, 33, 36, 39]))


@pytest.mark.parametrize("orientation", [(0, 0, 0, 0, 0, 0), (1, 0, 0, 1, 0, 0), (2, 0, 0, 0, 1, 0)])
def test_impossible_orientations_are_refused(orientation: tuple[float, ...]) -> None:
    slices = stack([0.0, 3.0, 6.0])
    layout = lay_out(Stack(slices.origins, orientation, (0.5, 0.5), 16, 16, "1.2"))
    assert layout.fault is not None
    assert layout.fault[0] == "bad_orientation"
