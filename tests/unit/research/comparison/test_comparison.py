"""Targets, losses and decodings of the training comparison, on cases computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from operators.networks.architectures.architecture_table import build
from operators.networks.architectures.own_unets import SubpixelUNet
from research.comparison.decoding import THRESHOLDS, decoded
from research.comparison.encodings import ENCODINGS
from research.comparison.losses import LOSSES
from research.comparison.short_run import LEVELS, SupervisedUNet


def test_deep_supervision_counts_each_head_half_of_the_one_above() -> None:
    target = torch.randint(0, 3, (1, 4, 4, 4), generator=torch.Generator().manual_seed(1))
    heads = torch.randn(1, 3, 3, 4, 4, 4, generator=torch.Generator().manual_seed(2))
    weights = (1.0, 1.0, 1.0)
    each = [LOSSES["dice_ce"](weights)(heads[:, level], target) for level in range(3)]
    expected = (each[0] + each[1] / 2 + each[2] / 4) / 1.75
    assert torch.allclose(LOSSES["deep_supervision"](weights)(heads, target), expected)


def test_a_supervised_network_begins_as_the_plain_one_and_answers_as_it() -> None:
    plain = build("subpixel_unet", dimensions=3, outputs=3, filters=(4, 4, 8, 8))
    assert isinstance(plain, SubpixelUNet)
    supervised = SupervisedUNet(plain, 3, (4, 4, 8, 8))
    image = torch.rand(1, 1, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    heads = supervised(image)
    assert heads.shape == (1, 1 + LEVELS, 3, 32, 32, 32)
    assert torch.equal(heads[:, 0], plain(image))
    assert torch.equal(supervised.eval()(image), plain.eval()(image))


def two_slabs() -> tuple[np.ndarray, np.ndarray]:
    """Fragments 9 voxels thick on either side of a gap, and their contact target."""
    fragments = np.zeros((24, 24, 24), np.uint8)
    fragments[2:11, 2:22, 2:22], fragments[12:21, 2:22, 2:22] = 1, 2
    contact = (fragments > 0).astype(np.uint8)
    contact[10:13, 2:22, 2:22] = 2
    return fragments, contact


def test_border_is_the_outermost_layer_and_the_gap_core_the_rest() -> None:
    fragments, contact = two_slabs()
    target = ENCODINGS["border_core"].encode(fragments, contact)
    assert (target[fragments == 0] != 1).all()
    assert target[11, 10, 10] == target[10, 10, 10] == target[2, 10, 10] == 2
    assert (target[3:10, 3:21, 3:21] == 1).all()
    assert ENCODINGS["contact"].encode(fragments, contact) is contact


def test_a_plate_too_thin_for_a_border_has_a_core_all_the_same() -> None:
    fragments = np.zeros((8, 8, 3), np.uint8)
    fragments[1:7, 1:7, 1] = 1
    assert (ENCODINGS["border_core"].encode(fragments, fragments) == 1).any()


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_a_perfect_answer_is_decoded_into_the_fragments(encoding: str) -> None:
    fragments, contact = two_slabs()
    target = ENCODINGS[encoding].encode(fragments, contact)
    classes = np.stack([target == value for value in range(3)]).astype(np.float32)
    answers = decoded(classes, contact > 0, 1.0)
    assert len(answers) == len(THRESHOLDS)
    for labels in answers:
        assert len(np.unique(labels[fragments == 1])) == len(np.unique(labels[fragments == 2])) == 1
        assert set(np.unique(labels)) == {0, 1, 2}
