"""FracSegNet's loss: weights computed by hand, where they come from, and how they take effect."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.loop.class_loss import SMOOTH_VOXELS, ClassLoss
from training.loop.distance_weighted_loss import (
    DistanceWeightedLoss,
    distance_weight,
    touching_voxels,
    weighted_dice,
    weighted_entropy,
)
from training.loop.trainer import LOSSES
from training.recipe import NetworkRecipe, recipe_of

LINE = torch.tensor([0, 2, 1, 1, 1, 0]).reshape(6, 1, 1)
CONTACT = 2


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def classes(seed: int, *shape: int) -> torch.Tensor:
    return torch.randint(0, 3, shape, generator=torch.Generator().manual_seed(seed))


def test_the_weight_is_that_of_the_paper() -> None:
    weight = distance_weight(LINE, CONTACT).flatten()
    expected = [0.2, *(0.8 / (1 + np.exp(10 * distance / 3 - 5)) + 0.2 for distance in (0, 1, 2, 3)), 0.2]
    assert weight.tolist() == pytest.approx(expected)
    assert distance_weight(torch.ones(3, 3, 3), CONTACT).unique().tolist() == pytest.approx([0.2])


def test_without_a_class_of_contact_it_is_where_two_bones_touch() -> None:
    line = torch.tensor([1, 1, 0, 2, 2, 3, 3]).reshape(7, 1, 1)
    assert touching_voxels(line).flatten().tolist() == [False, False, False, False, True, True, False]
    weight = distance_weight(line, None).flatten()
    assert weight[4] == weight[5] == weight.max()
    assert weight[2] == pytest.approx(0.2)
    apart = distance_weight(torch.tensor([1, 0, 2]).reshape(3, 1, 1), None)
    assert apart.unique().tolist() == pytest.approx([0.2])


def test_equal_weights_give_plain_dice_and_entropy() -> None:
    target = torch.tensor([0, 1, 1, 2]).reshape(1, 4, 1, 1)
    logits, ones = torch.zeros(1, 3, 4, 1, 1), torch.ones(1, 4, 1, 1)
    dice = [1 - (2 * n / 3 + SMOOTH_VOXELS) / (4 / 3 + n + SMOOTH_VOXELS) for n in (2, 1)]
    assert weighted_dice(logits, target, ones).tolist() == pytest.approx(dice, abs=1e-6)
    assert float(weighted_entropy(logits, target, ones, None)) == pytest.approx(np.log(3))


def test_heavier_voxels_count_more() -> None:
    target = torch.tensor([1, 1]).reshape(1, 2, 1, 1)
    logits = torch.tensor([[0.0, 5.0], [5.0, 0.0]]).reshape(1, 2, 2, 1, 1)
    first = torch.tensor([3.0, 1.0]).reshape(1, 2, 1, 1)
    right, wrong = np.log1p(np.exp(-5)), 5 + np.log1p(np.exp(-5))
    found = float(weighted_entropy(logits, target, first, torch.ones(2)))
    assert found == pytest.approx((3 * right + wrong) / 4, rel=1e-4)


def test_it_begins_as_the_plain_loss_and_ends_with_all_of_its_weight() -> None:
    target, logits = classes(1, 1, 8, 8, 8), noise(2, 1, 3, 8, 8, 8)
    loss, plain = DistanceWeightedLoss(None, (), contact=CONTACT), ClassLoss(None, ())
    assert torch.allclose(loss(logits, target), plain(logits, target))
    loss.share_done = 1.0
    weight = distance_weight(target[0], CONTACT)[None]
    weight /= weight.mean()
    whole = weighted_dice(logits, target, weight).mean() + weighted_entropy(logits, target, weight, None)
    assert torch.allclose(loss(logits, target), whole)
    loss.share_done = 0.5
    between = sorted([float(plain(logits, target)), float(whole)])
    assert between[0] < float(loss(logits, target)) < between[1]


def test_an_error_at_the_contact_costs_more_than_the_same_far_from_it() -> None:
    target = torch.ones(1, 24, 4, 4, dtype=torch.int64)
    target[:, 12:] = 2
    right = 8.0 * torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float()
    near, far = right.clone(), right.clone()
    near[:, :, 11], far[:, :, 0] = right[:, :, 12], right[:, :, 12]
    plain, loss = ClassLoss(None, ()), DistanceWeightedLoss(None, ())
    loss.share_done = 1.0
    assert torch.allclose(plain(near, target), plain(far, target))
    assert float(loss(near, target)) > 1.5 * float(loss(far, target))


def network(kind: str, **changes: object) -> NetworkRecipe:
    """A network of a recipe with two classes."""
    row = {
        "kind": kind, "spacing_mm": 1.0, "patch": [16, 16, 16], "window_hu": [0.0, 1.0], "filters": [4, 8],
        "architecture": "plain_unet", "steps": 1, "learning_rate": 0.1, "loss": "distance_weighted",
    }  # fmt: skip
    table = {"classes": {"a": ["a"], "b": ["b"]}, "networks": {"n": row | changes}}
    return recipe_of(table).networks["n"]


def test_a_recipe_chooses_the_loss_of_a_network() -> None:
    anatomy, fracture = (LOSSES[kind](network(kind), ()) for kind in ("anatomy", "fracture"))
    assert isinstance(anatomy, DistanceWeightedLoss)
    assert isinstance(fracture, DistanceWeightedLoss)
    assert (anatomy.contact, fracture.contact) == (None, CONTACT)
    assert type(LOSSES["anatomy"](network("anatomy", loss="dice_ce"), ())) is ClassLoss
    with pytest.raises(ValueError, match="a loss of anatomy or fracture networks only"):
        network("instance", guide=["a"])
