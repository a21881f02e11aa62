"""What looks like a fracture and is none: it changes the image, and the target stays interior."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from tests.support.bones.synthetic_bones import MARROW_HU, SPACING_MM, block, bone_of, sizes
from training.fracturing import BrokenModel, contact_target
from training.fracturing.foreign import with_cement, with_screw
from training.fracturing.lookalikes import (
    LOOKALIKES,
    canal,
    fissure_line,
    growth_plate,
    scar,
    with_lookalikes,
)
from training.fracturing.neighbours import add_neighbour, add_spur, outside
from training.fracturing.shape import shape_of
from training.fracturing.texture import draw_texture, with_patchy_density

SEEDS = range(8)
INSIDE = block().fragments > 0


def drawn(drawing: object, seed: int, bone: BrokenModel | None = None) -> np.ndarray:
    """The HU of a block with one of them."""
    assert callable(drawing)
    bone = bone or block()
    made: np.ndarray = drawing(
        np.random.default_rng(seed),
        bone.hu,
        bone.fragments > 0,
        shape_of(bone.fragments > 0, SPACING_MM),
        SPACING_MM,
    )
    return made


@pytest.mark.parametrize("drawing", list(LOOKALIKES))
def test_each_is_seen_inside_the_bone_and_nowhere_else(drawing: object) -> None:
    changes = [np.abs(drawn(drawing, seed) - block().hu) for seed in SEEDS]
    assert all(change[~INSIDE].max() == 0 for change in changes)
    assert np.median([change.max() for change in changes]) > 60
    assert all(np.array_equal(drawn(drawing, seed), drawn(drawing, seed)) for seed in range(2))


def test_none_of_them_is_contact() -> None:
    assert set(np.unique(contact_target(block().fragments, SPACING_MM))) == {0, 1}
    again = with_lookalikes(np.random.default_rng(1), block().hu, INSIDE, SPACING_MM)
    assert np.array_equal(again, with_lookalikes(np.random.default_rng(1), block().hu, INSIDE, SPACING_MM))


def pieces_without(hu: np.ndarray, limit_hu: float) -> int:
    """Into how many large pieces the bone falls where what is darker is left out."""
    parts, n = ndimage.label(INSIDE & (hu > limit_hu))
    return int((np.bincount(parts.ravel())[1 : n + 1] > 300).sum())


def test_a_growth_plate_crosses_the_bone_dark_between_dense_borders() -> None:
    made = [drawn(growth_plate, seed) for seed in SEEDS]
    assert sum(pieces_without(hu, MARROW_HU - 40) > 1 for hu in made) >= 4
    assert all(hu[INSIDE].max() > MARROW_HU + 80 for hu in made)


def test_a_fissure_darkens_and_does_not_part_the_bone() -> None:
    made = [drawn(fissure_line, seed) for seed in SEEDS]
    assert sum(hu[INSIDE].min() < MARROW_HU - 60 for hu in made) >= 6
    assert all(pieces_without(hu, MARROW_HU - 30) == 1 for hu in made)


def test_a_scar_is_bright_alone_and_a_canal_thin() -> None:
    for seed in SEEDS:
        assert drawn(scar, seed)[INSIDE].min() >= MARROW_HU
        assert (drawn(canal, seed)[INSIDE] < MARROW_HU - 60).mean() < 0.12


@pytest.mark.parametrize("seed", SEEDS)
def test_the_other_face_of_a_joint_is_no_fragment_and_no_contact(seed: int) -> None:
    rng = np.random.default_rng(seed)
    made = block()
    add_neighbour(rng, made, outside(rng, made, SPACING_MM), SPACING_MM)
    assert (made.hu[~INSIDE] > 400).sum() > 20
    assert set(sizes(made.fragments)) == {1}
    assert not (contact_target(made.fragments, SPACING_MM) == 2).any()
    assert np.array_equal(made.hu[INSIDE], block().hu[INSIDE])


def test_half_of_the_neighbours_are_taken_along() -> None:
    grown = []
    for seed in range(30):
        rng, made = np.random.default_rng(seed), block()
        add_neighbour(rng, made, outside(rng, made, SPACING_MM), SPACING_MM)
        grown.append((made.fragments > 0).sum() > INSIDE.sum())
    assert 8 < sum(grown) < 22


@pytest.mark.parametrize("seed", SEEDS)
def test_a_spur_grows_on_the_bone(seed: int) -> None:
    rng, made = np.random.default_rng(seed), block()
    add_spur(rng, made, outside(rng, made, SPACING_MM), SPACING_MM)
    assert (made.fragments > 0).sum() > INSIDE.sum()
    assert made.hu[(made.fragments > 0) & ~INSIDE].mean() > 250


def test_a_spur_belongs_to_the_fragment_that_it_grows_on() -> None:
    bone = block()
    bone.fragments[26:][bone.fragments[26:] > 0] = 2
    rng = np.random.default_rng(0)
    around = outside(rng, bone, SPACING_MM)
    before = sizes(bone.fragments)
    add_spur(rng, bone, around, SPACING_MM)
    after = sizes(bone.fragments)
    assert after[around.fragment] > before[around.fragment]
    assert after[3 - around.fragment] == before[3 - around.fragment]


def test_metal_is_bright_and_leaves_rays_and_cement_stays_in_the_bone() -> None:
    for seed in SEEDS:
        screwed = with_screw(np.random.default_rng(seed), block().hu, INSIDE, SPACING_MM)
        assert screwed.max() > 2000
        assert (np.abs(screwed - block().hu)[screwed < 1000] > 40).any()
        cement = with_cement(np.random.default_rng(seed), block().hu, INSIDE, SPACING_MM)
        assert cement[INSIDE].max() > 900
        assert np.array_equal(cement[~INSIDE], block().hu[~INSIDE])


def test_drawn_bone_has_a_cortex_over_marrow_with_grain() -> None:
    depth = ndimage.distance_transform_edt(INSIDE)
    brighter, grain = 0, []
    for seed in SEEDS:
        hu = draw_texture(np.random.default_rng(seed), INSIDE, SPACING_MM)
        brighter += hu[depth == 1].mean() > hu[depth > 5].mean() + 100
        grain.append((hu - ndimage.gaussian_filter(hu, 2.5))[depth > 5].std())
    assert brighter >= 6
    # Six real bones have 46 to 76 HU
    assert 30 < np.median(grain) < 100


def test_regions_without_trabeculae_are_dark_and_nothing_outside_the_core_changes() -> None:
    core = ndimage.binary_erosion(INSIDE, iterations=2)
    bone = bone_of(INSIDE)
    made = [with_patchy_density(np.random.default_rng(seed), bone.hu, core) for seed in range(16)]
    assert sum(hu[core].min() < MARROW_HU - 100 for hu in made) >= 3
    assert all(np.abs(hu - bone.hu)[~ndimage.binary_dilation(core, iterations=5)].max() < 1 for hu in made)
