"""Scanner effects: each changes what it should and nothing else, and is reproducible by seed."""

from __future__ import annotations

import numpy as np
import pytest

from training.sampling import Array
from training.simulate.scanner import EFFECTS, hide_unseen, scan
from training.simulate.scanner.chain import SCAN, STREAKS_HU
from training.simulate.scanner.kernels import sharp_kernel, smooth_kernel
from training.simulate.scanner.slices import slice_weights
from training.simulate.scanner.unseen import UNSEEN_HU

# A patch and a small volume with voxels that are no cubes
GRIDS = (((40, 36, 32), (1.5, 1.5, 1.5)), ((64, 64, 24), (0.9, 0.9, 2.0)))
STRENGTHS = {name: strengths[1] for _, name, strengths in SCAN} | {"metal": STREAKS_HU[1]}


def body(shape: tuple[int, ...] = GRIDS[0][0]) -> Array:
    """Soft tissue in air with two dense blocks in it."""
    hu = np.full(shape, -1000, np.float32)
    hu[4:-4, 4:-4] = 40
    i, j = shape[0] // 4, shape[1] // 2
    hu[i - 4 : i + 4, j - 5 : j + 5, 4:-4] = 900
    hu[-i - 4 : -i + 4, j - 5 : j + 5, 4:-4] = 900
    return hu


def applied(name: str, hu: Array, strength: float, seed: int = 0, step: float = 1.5) -> Array:
    return EFFECTS[name](np.random.default_rng(seed), hu, (step, step, step), strength)


@pytest.mark.parametrize(("shape", "spacing_mm"), GRIDS)
@pytest.mark.parametrize("name", EFFECTS)
def test_every_effect_keeps_shape_and_type_and_spares_its_input(
    name: str, shape: tuple[int, ...], spacing_mm: tuple[float, float, float]
) -> None:
    hu = body(shape)
    effect, strength = EFFECTS[name], STRENGTHS[name]
    results = [effect(np.random.default_rng(seed), hu, spacing_mm, strength) for seed in (3, 3, 4)]
    assert np.array_equal(hu, body(shape))
    assert np.array_equal(results[0], results[1])
    for result in results:
        assert result.shape == shape
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        assert not np.array_equal(result, hu)


@pytest.mark.parametrize("strength", [5.0, 40.0])
def test_noise_has_the_strength_that_is_asked_for(strength: float) -> None:
    for seed in range(5):
        noise = applied("dose_noise", np.zeros((48, 48, 48), np.float32), strength, seed)
        assert noise.std() == pytest.approx(strength, rel=0.05)
        assert abs(noise.mean()) < 0.1 * strength


def test_thick_slices_keep_the_mean_and_blur_along_the_body_only() -> None:
    rng = np.random.default_rng(1)
    hu = rng.normal(0, 100, (12, 12, 64)).astype(np.float32)
    seen = applied("thick_slices", hu, 5.0)
    assert seen[:, :, 6:-6].mean() == pytest.approx(hu[:, :, 6:-6].mean(), abs=2)
    assert np.diff(seen, axis=2).std() < 0.4 * np.diff(hu, axis=2).std()
    column = np.zeros((9, 9, 32), np.float32)
    column[4, 4] = 1000
    assert np.allclose(applied("thick_slices", column, 5.0), column, atol=1e-2)


@pytest.mark.parametrize("thickness_mm", [0.4, 1.5, 3.0, 5.0])
def test_an_edge_stays_where_it_is_in_slices_of_any_thickness(thickness_mm: float) -> None:
    shifts = []
    edge = (np.arange(64) >= 30).astype(np.float32)
    for start_mm in np.linspace(-thickness_mm, 0, 9)[:-1]:
        weights = slice_weights(64, 1.5, thickness_mm, thickness_mm, start_mm)
        assert np.allclose(weights.sum(axis=1), 1, atol=1e-5)
        shifts.append((edge - weights @ edge).sum())
    # Single phases move it by less than half a slice, and on the mean not at all
    assert np.abs(shifts).max() * 1.5 <= max(thickness_mm / 2, 0.75)
    assert abs(np.mean(shifts)) < 0.1


def test_tilted_slices_blur_along_a_slope() -> None:
    hu = np.zeros((4, 40, 40), np.float32)
    hu[:, :, 20:] = 1000
    upright, tilted = applied("thick_slices", hu, 4.0, 5), applied("tilted_slices", hu, 25, 5)
    assert np.ptp(upright, axis=1).max() < 1e-2
    assert np.ptp(tilted[:, 5:-5], axis=1).max() > 50


def test_kernels_work_within_slices_and_keep_flat_things_flat() -> None:
    rng = np.random.default_rng(0)
    plates = np.broadcast_to(rng.normal(0, 100, 30).astype(np.float32), (20, 20, 30)).copy()
    for kernel in (smooth_kernel, sharp_kernel):
        assert np.allclose(kernel(rng, plates, (1.5, 1.5, 1.5), 0.9), plates, atol=1e-2)
    edge = np.zeros((40, 8, 8), np.float32)
    edge[20:] = 1000
    soft, sharp = (k(rng, edge, (1.5, 1.5, 1.5), 1.2)[:, 4, 4] for k in (smooth_kernel, sharp_kernel))
    assert np.diff(soft).max() < 1000 < sharp.max()
    # The half-way level is crossed at the same place
    for line in (soft, sharp):
        assert line[19] + line[20] == pytest.approx(1000, abs=1)


def test_rings_are_alike_in_every_slice_and_as_strong_as_asked() -> None:
    hu = np.zeros((40, 40, 12), np.float32)
    ring = applied("rings", hu, 20.0)
    assert ring.std() == pytest.approx(20, rel=0.05)
    assert np.ptp(ring, axis=2).max() == 0


def test_beam_hardening_darkens_between_dense_things_and_nowhere_brightens() -> None:
    hu = body((64, 64, 24))
    change = applied("beam_hardening", hu, 80.0, step=4.0) - hu
    assert change.max() <= 1e-3
    between, away = change[28:36, 28:36, 8:-8].mean(), change[28:36, 6:12, 8:-8].mean()
    assert between < -20
    assert between < 2 * away
    assert not change[hu < -300].any()
    soft = np.full((32, 32, 32), 40, np.float32)
    assert np.array_equal(applied("beam_hardening", soft, 80.0), soft)


def test_metal_lies_on_bone_casts_streaks_and_is_left_out_where_no_bone_is() -> None:
    hu = body((64, 64, 32))
    for seed in range(4):
        clean = applied("metal", hu, 0.0, seed)
        dense = clean > 1500
        assert dense.any()
        assert dense.mean() < 0.2
        streaked = applied("metal", hu, 600.0, seed)
        assert np.abs(streaked - clean)[~dense].max() > 30
    soft = np.full((32, 32, 32), 40, np.float32)
    assert np.array_equal(applied("metal", soft, 600.0), soft)


def test_motion_shows_a_second_outline_in_some_slices() -> None:
    hu = body((48, 48, 40))
    moved = np.abs(applied("motion", hu, 4.0, seed=2) - hu).max(axis=(0, 1))
    assert (moved > 100).any()
    assert (moved == 0).any()


def test_what_is_unseen_has_no_class_and_metal_and_streaks_change_no_class() -> None:
    hidden = 0
    for seed in range(60):
        target = np.ones((24, 24, 24), np.uint8)
        flat = np.full(target.shape, 40, np.float32)
        hu, classes = hide_unseen(np.random.default_rng(seed), flat, target, 4.0)
        assert target.all()
        assert np.array_equal(classes == 0, hu == UNSEEN_HU)
        hidden += not classes.all()
    assert 3 <= hidden <= 25


def test_a_scan_keeps_to_twelve_bits_and_a_seed_gives_the_same() -> None:
    for seed in range(30):
        first, again = (scan(np.random.default_rng(seed), body(), 1.5) for _ in range(2))
        assert np.array_equal(first, again)
        assert first.min() >= -1024
        assert first.max() <= 3071
        assert first.dtype == np.float32
