"""What networks see of a row of bones: the memory, the bone that is next, parts of bones."""

from __future__ import annotations

import numpy as np
import pytest

from training.row_tables import RegionTable, RowTable
from training.simulate.row_patches import (
    PARTIAL,
    WHOLE,
    RowSample,
    border_mm,
    cut,
    ragged,
    region_of,
    remembered,
    with_foreign,
)
from training.simulate.scanner.unseen import UNSEEN_HU
from training.simulate.simulated_ct import Sample

NEVER = RowTable(forgotten=0.0, nothing_left=0.0, known_below=0.0, cut=0.0, cement=0.0, cage=0.0)


def row_of(chosen: int = 7) -> RowSample:
    """Three bones from the top down: levels 6, 7 and 8."""
    levels = np.zeros((24, 24, 48), np.uint8)
    for n, level in enumerate((6, 7, 8)):
        levels[6:18, 6:18, 34 - 15 * n : 46 - 15 * n] = level
    return RowSample(np.full(levels.shape, 40, np.float32), levels, chosen)


@pytest.mark.parametrize("chosen", [6, 7, 8])
def test_the_memory_holds_the_bones_above(chosen: int) -> None:
    row = row_of(chosen)
    memory, target = remembered(np.random.default_rng(1), row, NEVER)
    assert set(np.unique(row.levels[memory])) == set(range(6, chosen))
    assert set(np.unique(row.levels[target > 0])) == {chosen}
    assert set(np.unique(target)) == {0, WHOLE}


def test_the_memory_is_forgotten_in_a_share_of_patches_and_the_bone_is_the_same() -> None:
    rng, rules = np.random.default_rng(2), NEVER.model_copy(update={"forgotten": 0.3})
    found = [remembered(rng, row_of(), rules) for _ in range(300)]
    assert np.mean([not memory.any() for memory, _ in found]) == pytest.approx(0.3, abs=0.08)
    assert all((target[row_of().levels == 7] == WHOLE).all() for _, target in found)


def test_with_all_bones_in_the_memory_there_is_nothing_to_outline() -> None:
    row = row_of()
    memory, target = remembered(np.random.default_rng(1), row, NEVER.model_copy(update={"nothing_left": 1.0}))
    assert (memory == (row.levels > 0)).all()
    assert not target.any()


def test_a_bone_where_the_scan_ends_is_partial() -> None:
    row = cut(np.random.default_rng(4), row_of(), NEVER.model_copy(update={"cut": 1.0}))
    assert (row.hu == UNSEEN_HU).any()
    assert not row.levels[row.hu == UNSEEN_HU].any()
    _, target = remembered(np.random.default_rng(1), row, NEVER)
    assert set(np.unique(target)) == {0, PARTIAL}


def test_distances_are_to_the_border_on_either_side() -> None:
    bone = row_of().levels == 7
    away = border_mm(bone, 2.0)
    assert away[6, 12, 24] == pytest.approx(1.0)
    assert away[5, 12, 24] == pytest.approx(1.0)
    assert away[12, 12, 24] > 8
    assert border_mm(np.zeros_like(bone), 1.0).min() == 25.0


def test_outlines_err_a_little() -> None:
    bone = row_of().levels == 7
    rng = np.random.default_rng(3)
    shares = [np.count_nonzero(ragged(rng, bone) & bone) / np.count_nonzero(bone) for _ in range(20)]
    assert min(shares) > 0.6
    assert min(shares) < 1.0


def test_cement_lies_in_the_bone_and_a_cage_below_it() -> None:
    row = row_of()
    sample = Sample(row.hu, row.levels)
    filled = with_foreign(np.random.default_rng(1), sample, 7, NEVER.model_copy(update={"cement": 1.0}))
    assert filled.max() > 700
    assert set(np.unique(row.levels[filled > 700])) == {7}
    caged = with_foreign(np.random.default_rng(1), sample, 7, NEVER.model_copy(update={"cage": 1.0}))
    assert (caged[:, :, 15:19] > 200).any()


def test_levels_lie_in_regions() -> None:
    regions = (RegionTable(levels=7), RegionTable(levels=13), RegionTable(levels=6))
    assert [region_of(level, regions) for level in (1, 7, 8, 20, 21, 26)] == [0, 0, 1, 1, 2, 2]
