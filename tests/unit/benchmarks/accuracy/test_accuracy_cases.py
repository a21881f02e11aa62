"""Scans of the accuracy panel: every change of an image is made to its ground truth too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.cases import degradations, metal, turns
from benchmarks.accuracy.cases.panel import positions
from benchmarks.accuracy.cases.running import wrong_side_shares
from benchmarks.accuracy.cases.scan import Scan, scan_of
from operators.geometry.regridding import onto_grid
from operators.geometry.volume import Grid
from operators.package_files.package_reader import read_coarse_to_fine_package
from tests.support.dicom.phantoms import HU_PER_MM, position_hu

LABELS = read_coarse_to_fine_package(Path(__file__).parents[4] / "models" / "pelvis" / "package.toml").labels
SPACING_MM = (2.0, 2.5, 3.0)
SHAPE = (60, 40, 30)


@pytest.fixture(scope="module")
def scan() -> Scan:
    """Bright bones in soft tissue: sacrum in the middle, a hip bone at each side, the left one broken."""
    affine = np.diag([*SPACING_MM, 1.0])
    affine[:3, 3] = [-60.0, -50.0, -45.0]
    labels = np.zeros(SHAPE, np.uint8)
    labels[26:34, 20:28, 8:22] = 1
    labels[6:16, 10:24, 6:24] = 21
    labels[42:54, 10:24, 6:24] = 11
    labels[48:54, 10:24, 6:14] = 12
    return scan_of(np.where(labels > 0, 700, 40).astype(np.int16), labels, Grid(SHAPE, affine))


def bone_hu(scan: Scan) -> float:
    """The least HU that the truth calls bone."""
    return float(scan.ct.hu[scan.truth.labels > 0].min())


def middle_mm(scan: Scan, value: int) -> np.ndarray:
    index = np.argwhere(scan.truth.labels == value).mean(axis=0)
    return (scan.grid.ijk_to_lps @ [*index, 1.0])[:3]


MOVES: dict[str, Callable[[Scan], Scan]] = {
    "turned": lambda scan: turns.turned(scan, "z", 20),
    "on the side": lambda scan: turns.stored(scan, (1, 0, 2), (1,)),
    "feet first": lambda scan: turns.stored(scan, backwards=(0, 2)),
    "mirror image": lambda scan: turns.mirrored(scan, LABELS),
    "cut": lambda scan: degradations.cut(scan, 2, True),
    "thick": lambda scan: degradations.thick_slices(scan, 3),
}


@pytest.mark.parametrize("name", MOVES)
def test_the_truth_moves_with_the_image(scan: Scan, name: str) -> None:
    moved = MOVES[name](scan)
    assert moved.truth.labels.any()
    # A thick slice mixes the bone's ends with what lies beyond
    assert bone_hu(moved) == 700 or (name == "thick" and bone_hu(moved) > 200)
    assert moved.truth.grid.same_as(moved.grid)


@pytest.mark.parametrize("name", [name for name in positions(LABELS) if name != "mirror image"])
def test_a_patient_who_is_stored_otherwise_lies_where_he_lay(scan: Scan, name: str) -> None:
    moved = positions(LABELS)[name](scan)
    assert not moved.grid.same_as(scan.grid)
    back = onto_grid(moved.truth, scan.grid)
    assert np.array_equal(back.labels, scan.truth.labels)


def test_a_turned_patient_lies_otherwise_but_his_voxels_do_not_change(scan: Scan) -> None:
    moved = turns.turned(scan, "z", 30)
    assert np.array_equal(moved.ct.hu, scan.ct.hu)
    across = (middle_mm(moved, 11) - middle_mm(moved, 21))[:2]
    before = (middle_mm(scan, 11) - middle_mm(scan, 21))[:2]
    cosine = across @ before / np.linalg.norm(across) / np.linalg.norm(before)
    assert np.degrees(np.arccos(cosine)) == pytest.approx(30, abs=0.01)
    assert np.allclose(moved.grid.spacing_mm, scan.grid.spacing_mm)


def test_in_a_mirror_image_the_left_bone_lies_right_and_is_called_right(scan: Scan) -> None:
    moved = turns.mirrored(scan, LABELS)
    assert middle_mm(moved, 21)[0] < middle_mm(moved, 1)[0] < middle_mm(moved, 11)[0]
    assert (moved.truth.labels == 21).sum() == (scan.truth.labels == 11).sum()
    assert (moved.truth.labels == 22).sum() == (scan.truth.labels == 12).sum()
    assert (moved.truth.labels == 1).sum() == (scan.truth.labels == 1).sum()


def test_thick_slices_lie_where_their_middle_slices_lay() -> None:
    affine = np.diag([*SPACING_MM, 1.0])
    where = np.moveaxis(np.indices((4, 4, 9), float), 0, -1) @ affine[:3, :3].T
    hu = np.rint(position_hu(where)).astype(np.int16)
    thin = scan_of(hu, np.ones(hu.shape, np.uint8), Grid((4, 4, 9), affine))
    thick = degradations.thick_slices(thin, 3)
    assert thick.grid.spacing_mm == (2.0, 2.5, 9.0)
    index = np.moveaxis(np.indices(thick.grid.shape), 0, -1)
    expected = position_hu(index @ thick.grid.ijk_to_lps[:3, :3].T + thick.grid.ijk_to_lps[:3, 3])
    assert np.abs(thick.ct.hu - expected).max() <= 1 < HU_PER_MM.min()


@pytest.mark.parametrize("slices", [3, 5, 7])
def test_thick_slices_average_away_noise(scan: Scan, slices: int) -> None:
    noisy = degradations.noise(scan, 50)
    soft = degradations.thick_slices(noisy, slices)
    flat = soft.ct.hu[:5, :5]
    assert flat.std() == pytest.approx(50 / np.sqrt(slices), rel=0.2)


@pytest.mark.parametrize("sd_hu", [25, 100])
def test_noise_has_the_strength_that_was_asked_for(scan: Scan, sd_hu: float) -> None:
    noisy = degradations.noise(scan, sd_hu)
    added = noisy.ct.hu.astype(float) - scan.ct.hu
    assert added.std() == pytest.approx(sd_hu, rel=0.02)
    assert np.array_equal(noisy.truth.labels, scan.truth.labels)


@pytest.mark.parametrize(("direction", "far_end"), [(2, True), (2, False), (0, True), (0, False)])
def test_a_cut_field_of_view_loses_a_third_of_the_bones_at_that_end(
    scan: Scan, direction: int, far_end: bool
) -> None:
    for stored in (scan, turns.stored(scan, (2, 1, 0), (0, 2))):
        left = degradations.cut(stored, direction, far_end)
        step = SPACING_MM[direction]
        low, high = extent_mm(scan, scan.truth.labels, direction)
        left_low, left_high = extent_mm(left, np.ones(left.grid.shape), direction)
        third = round((high - low + step) / step / 3) * step
        assert (high - left_high if far_end else left_low - low) == pytest.approx(third)
        assert (left_low < low) if far_end else (left_high > high)


def extent_mm(scan: Scan, voxels: np.ndarray, direction: int) -> tuple[float, float]:
    """The first and the last centre of the voxels along one of the patient's axes."""
    along = (np.argwhere(voxels) @ scan.grid.ijk_to_lps[:3, :3].T + scan.grid.ijk_to_lps[:3, 3])[:, direction]
    return float(along.min()), float(along.max())


def test_metal_lies_at_the_largest_bone_and_throws_dark_and_bright_streaks(scan: Scan) -> None:
    with_metal = metal.with_metal(scan)
    plate = with_metal.ct.hu == degradations.HIGHEST_HU
    largest = scan.truth.labels == 21
    assert plate.any()
    assert (plate & largest).any()
    outside = with_metal.ct.hu[~plate].astype(int) - scan.ct.hu[~plate]
    assert outside.min() == pytest.approx(metal.DEEPEST_HU, rel=0.3)
    assert outside.max() > 20
    assert np.array_equal(with_metal.truth.labels, scan.truth.labels)


def test_a_bone_under_its_fellows_name_is_on_the_wrong_side(scan: Scan) -> None:
    truth = scan.truth.labels
    right = wrong_side_shares(truth, truth, LABELS)
    assert right == {"hip_left": 0.0, "hip_right": 0.0}
    confused = wrong_side_shares(turns.swapped_sides(LABELS)[truth], truth, LABELS)
    assert confused == {"hip_left": 1.0, "hip_right": 1.0}
    half = truth.copy()
    half[48:54, 10:24, 6:24] = 21
    shares = wrong_side_shares(half, truth, LABELS)
    assert shares == {"hip_left": 0.5, "hip_right": 0.0}


def test_a_bone_of_which_nothing_was_found_is_on_no_side(scan: Scan) -> None:
    assert wrong_side_shares(np.zeros(SHAPE, np.uint8), scan.truth.labels, LABELS) == {}
