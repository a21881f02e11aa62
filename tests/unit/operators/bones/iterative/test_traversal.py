"""Bones in a row, outlined one by one by a made network."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from operators.bones.iterative.traversal import Instances, find_instances
from tests.support.bones.synthetic_rows import SIDE, Labels, MadeNetwork, row_of, row_of_blocks


def numbers(found: Instances, labels: Labels) -> list[int]:
    """The label that each outlined bone has, 0 where it has several."""
    own = [np.unique(labels[each.box.slices][each.mask]) for each in found.found]
    return [int(each[0]) if len(each) == 1 else 0 for each in own]


def voxels(found: Instances) -> list[int]:
    return [each.voxels for each in found.found]


@pytest.mark.parametrize("count", [1, 2, 7])
def test_every_bone_of_a_row_is_outlined_from_the_top_down(count: int) -> None:
    labels, end = row_of_blocks(count)
    found = find_instances(row_of(labels, end, MadeNetwork()))
    assert numbers(found, labels) == list(range(1, count + 1))
    assert voxels(found) == [SIDE**3] * count
    assert found.gaps == ()
    assert found.reaches_end
    assert not any(each.is_partial or each.repair for each in found.found)
    assert all(each.certainty == pytest.approx(0.8) for each in found.found)


def test_nothing_in_view_is_no_bone() -> None:
    labels, end = row_of_blocks(3)
    found = find_instances(row_of(np.zeros_like(labels), end, MadeNetwork()))
    assert (found.found, found.gaps, found.reaches_end) == ((), (), False)


def test_a_network_that_finds_nothing_ends_the_walk() -> None:
    labels, end = row_of_blocks(5)
    found = find_instances(row_of(labels, end, MadeNetwork(blind=dict.fromkeys(range(1, 6), 10**6))))
    assert found.found == ()


def test_remains_that_are_too_small_do_not_hide_the_bones_below() -> None:
    labels, end = row_of_blocks(4)
    remains = labels == 1
    remains[12:14, 12:14, int(np.flatnonzero(remains.any(axis=(0, 1)))[0]) :][:, :, :2] = False
    labels[remains] = 0
    row = row_of(labels, end, MadeNetwork())
    row.wanted[12:22, 12:22, np.flatnonzero(remains.any(axis=(0, 1)))] = True
    assert numbers(find_instances(row), labels) == [2, 3, 4]


def test_what_is_outlined_where_no_bone_was_seen_is_none() -> None:
    labels, end = row_of_blocks(5)
    row = row_of(labels, end, MadeNetwork())
    # Of the first and the last only an edge was seen, 4 % of their voxels
    unseen = np.isin(labels, (1, 5))
    unseen[12, :16] = False
    row.wanted[unseen] = False
    assert numbers(find_instances(row), labels) == [2, 3, 4]


@pytest.mark.parametrize(("certainty", "names"), [(0.85, [2, 3, 4]), (0.95, [1, 2, 3, 4, 5])])
def test_a_row_is_followed_beyond_what_was_seen_while_its_bones_are_sure(
    certainty: float, names: list[int]
) -> None:
    labels, end = row_of_blocks(5)
    row = row_of(labels, end, MadeNetwork(certainty=certainty))
    row.wanted[np.isin(labels, (1, 5))] = False
    assert numbers(find_instances(row), labels) == names


def test_a_row_is_not_followed_beyond_the_bone_that_it_ends_at() -> None:
    labels, end = row_of_blocks(4)
    labels[12:22, 12:22, :3] = 5
    row = row_of(labels, end, MadeNetwork(certainty=0.95))
    row.wanted[labels == 5] = False
    assert numbers(find_instances(row), labels) == [1, 2, 3, 4]


def test_a_row_that_ends_in_view_reaches_no_end_bone() -> None:
    labels, end = row_of_blocks(4, end=False)
    found = find_instances(row_of(labels, end, MadeNetwork()))
    assert len(found.found) == 4
    assert not found.reaches_end


def test_the_first_bone_is_partial_where_the_scan_cuts_it() -> None:
    labels, end = row_of_blocks(4, first=5)
    found = find_instances(row_of(labels, end, MadeNetwork()))
    assert [each.is_partial for each in found.found] == [True, False, False, False]
    assert voxels(found)[0] == SIDE * SIDE * (SIDE - 5)


def test_a_bone_is_partial_where_the_network_says_so() -> None:
    labels, end = row_of_blocks(3)
    made = MadeNetwork()

    def read(hu: NDArray[np.float32], memory: NDArray[np.bool_]) -> NDArray[np.float32]:
        found = made(hu, memory)
        return found[[0, 2, 1]] if (hu[found[1] > 0] == 2).any() else found

    found = find_instances(row_of(labels, end, read))
    assert [each.is_partial for each in found.found] == [False, True, False]


def test_a_bone_above_the_first_that_was_found_is_found_too() -> None:
    labels, end = row_of_blocks(5)
    # The first two looks do not see the first bone, so that the walk begins with the second
    found = find_instances(row_of(labels, end, MadeNetwork(blind={1: 2})))
    assert numbers(found, labels) == [1, 2, 3, 4, 5]


def test_a_skipped_bone_is_found_by_the_spacing_and_inserted() -> None:
    labels, end = row_of_blocks(7)
    row = row_of(labels, end, MadeNetwork(wary=(4,)))
    # Not seen before either, so that the walk does not look there
    row.wanted[labels == 4] = False
    found = find_instances(row)
    assert numbers(found, labels) == [1, 2, 3, 4, 5, 6, 7]
    assert [each.repair for each in found.found] == ["", "", "", "inserted", "", "", ""]
    assert found.gaps == ()


def test_a_bone_that_is_seen_only_between_its_neighbours_is_found_when_they_are() -> None:
    labels, end = row_of_blocks(7)
    found = find_instances(row_of(labels, end, MadeNetwork(wary=(4,))))
    assert numbers(found, labels) == [1, 2, 3, 4, 5, 6, 7]
    assert not any(each.repair for each in found.found)


def test_a_bone_that_cannot_be_outlined_leaves_a_gap() -> None:
    labels, end = row_of_blocks(7)
    found = find_instances(row_of(labels, end, MadeNetwork(blind={4: 10**6})))
    assert numbers(found, labels) == [1, 2, 3, 5, 6, 7]
    assert found.gaps == (2,)


def test_two_halves_of_a_bone_are_joined() -> None:
    labels, end = row_of_blocks(7)
    found = find_instances(row_of(labels, end, MadeNetwork(halves=(4,))))
    assert numbers(found, labels) == [1, 2, 3, 4, 5, 6, 7]
    assert [each.repair for each in found.found] == ["", "", "", "joined", "", "", ""]
    assert voxels(found) == [SIDE**3] * 7


def test_halves_that_lie_further_apart_are_joined_by_their_size() -> None:
    labels, end = row_of_blocks(7)
    low, high = np.flatnonzero((labels == 4).any(axis=(0, 1)))[[0, -1]]
    labels[labels >= 4] += 1
    # A bone without its middle: two slabs, whose centres are 8 voxels apart, of 14 from bone to bone
    labels[labels == 5] = 0
    labels[12:22, 12:22, high - 1 : high + 1], labels[12:22, 12:22, low : low + 2] = 4, 5
    found = find_instances(row_of(labels, end, MadeNetwork()))
    assert numbers(found, labels) == [1, 2, 3, 0, 6, 7, 8]
    assert [each.repair for each in found.found] == ["", "", "", "joined", "", "", ""]


def test_a_scrap_between_two_bones_is_none() -> None:
    labels, end = row_of_blocks(5)
    low = int(np.flatnonzero((labels == 2).any(axis=(0, 1)))[0])
    labels[labels > 2] += 1
    labels[24:30, 12:18, low - 6 : low + 2] = 3
    made = MadeNetwork()

    def read(hu: NDArray[np.float32], memory: NDArray[np.bool_]) -> NDArray[np.float32]:
        found = made(hu, memory)
        return found[[0, 2, 1]] if (hu[found[1] > 0] == 3).any() else found

    assert numbers(find_instances(row_of(labels, end, made)), labels) == [1, 2, 3, 4, 5, 6]
    assert numbers(find_instances(row_of(labels, end, read)), labels) == [1, 2, 4, 5, 6]


def test_a_row_stops_at_its_end_bone_though_it_is_outlined_as_one_of_the_row() -> None:
    labels, end = row_of_blocks(3)
    mixed = np.where(end > 0, 4, labels).astype(np.uint8)
    found = find_instances(row_of(mixed, end, MadeNetwork()))
    assert numbers(found, mixed) == [1, 2, 3]
    assert found.reaches_end


def test_a_bone_that_leaves_its_patch_is_followed_to_its_middle() -> None:
    labels, end = row_of_blocks(2)
    shifted = np.roll(labels, 5, axis=0)
    row = row_of(shifted, end, MadeNetwork())
    # Only a corner of each bone was seen
    row.wanted[18:] = False
    assert voxels(find_instances(row)) == [SIDE**3] * 2


def test_a_bone_is_partial_where_the_scan_cuts_its_side() -> None:
    labels, end = row_of_blocks(2)
    found = find_instances(row_of(labels[15:], end[15:], MadeNetwork()))
    assert [each.is_partial for each in found.found] == [True, True]


@pytest.mark.parametrize(("above", "reaches"), [(3, True), (9, False)])
def test_a_row_begins_at_the_bone_next_to_its_first(above: int, reaches: bool) -> None:
    labels, end = row_of_blocks(3)
    labels, end = (np.pad(each, [(0, 0), (0, 0), (0, 12)]) for each in (labels, end))
    row = row_of(labels, end, MadeNetwork())
    top = int(np.flatnonzero(labels.any(axis=(0, 1)))[-1])
    row.begin[8:26, 8:26, top + above :] = True
    assert find_instances(row).reaches_begin == reaches


def test_voxels_near_a_bone_belong_to_the_nearest() -> None:
    labels, end = row_of_blocks(2)
    row = row_of(labels, end, MadeNetwork())
    owners = find_instances(row).owners(row)
    assert (owners[labels == 1] == 1).all()
    assert (owners[labels == 2] == 2).all()
    # Voxels have 2 mm: the next to a bone belongs to it, the second is farther than 3 mm
    along = owners[16, 16][np.flatnonzero(labels[16, 16])[0] - 2 :][: SIDE + 4]
    assert along.tolist() == [0, 2, *[2] * SIDE, 2, 0]


def test_the_probability_of_a_row_is_that_of_its_bones() -> None:
    labels, end = row_of_blocks(7)
    row = row_of(labels, end, MadeNetwork(halves=(4,), certainty=0.95))
    probability = find_instances(row).probability(row)
    assert np.allclose(probability, np.where(labels > 0, 0.95, 0), atol=1e-3)
