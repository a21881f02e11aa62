"""The losses of networks that see one bone of a row at a time."""

from __future__ import annotations

import pytest
import torch

from training.loop.row_losses import InstanceLoss, LevelLoss, level_accuracy
from training.loop.validation import SCORES
from training.recipe import NetworkRecipe
from training.row_tables import RegionTable, RowTable
from training.simulate.row_patches import UNKNOWN

RECIPE = NetworkRecipe(
    name="one",
    kind="instance",
    classes=("background", "whole", "partial"),
    spacing_mm=1.0,
    patch=(12, 12, 12),
    window_hu=(-200.0, 1300.0),
    architecture="subpixel_unet",
    filters=(4, 8),
    steps=1,
    learning_rate=1e-3,
)
REGIONS = (RegionTable(levels=2), RegionTable(levels=3, ribs=True))


def target(kind: int = 1) -> torch.Tensor:
    classes = torch.zeros(1, 12, 12, 12, dtype=torch.int64)
    classes[:, 4:8, 4:8, 4:8] = kind
    distance = torch.full_like(classes, 25)
    distance[:, 3:9, 3:9, 3:9] = 1
    return torch.stack([classes, distance], 1)


def logits_of(classes: torch.Tensor, sure: float = 6.0) -> torch.Tensor:
    return sure * torch.nn.functional.one_hot(classes, 3).movedim(-1, 1).float()


def test_the_right_outline_costs_less_than_any_other() -> None:
    loss, true = InstanceLoss(RowTable()), target()
    right = loss(logits_of(true[:, 0]), true)
    assert right < loss(logits_of(true[:, 0], 1.0), true)
    assert right < loss(logits_of(target(2)[:, 0]), true)
    assert right < loss(logits_of(torch.zeros_like(true[:, 0])), true)
    assert right < loss(logits_of(torch.ones_like(true[:, 0])), true)


def test_an_error_at_the_border_costs_more() -> None:
    loss, true = InstanceLoss(RowTable()), target()
    loss.share_done = 1.0
    near, far = true[:, 0].clone(), true[:, 0].clone()
    near[:, 3, 4:8, 4:8] = 1
    far[:, 0, 4:8, 4:8] = 1
    assert loss(logits_of(near), true) > loss(logits_of(far), true) + 0.01


def test_strays_are_phased_in() -> None:
    loss, true = InstanceLoss(RowTable()), target()
    much = logits_of(torch.ones_like(true[:, 0]))
    costs = []
    for share in (0.0, 0.25, 0.5, 1.0):
        loss.share_done = share
        costs.append(float(loss(much, true)))
    assert costs[0] < costs[1] < costs[2]
    assert costs[3] == pytest.approx(costs[2])
    assert loss.weight_of_strays() == 1.0


def test_a_patch_without_a_bone_has_a_loss_that_falls_with_the_background() -> None:
    loss = InstanceLoss(RowTable())
    empty = torch.zeros(1, 2, 8, 8, 8, dtype=torch.int64)
    empty[:, 1] = 25
    none, some = torch.zeros(1, 8, 8, 8, dtype=torch.int64), torch.ones(1, 8, 8, 8, dtype=torch.int64)
    assert 0 <= float(loss(logits_of(none), empty)) < float(loss(logits_of(some), empty))


def scores(level: int, region: int, ribs: float) -> torch.Tensor:
    made = torch.zeros(1, 1 + 5 + 2 + 1)
    made[0, level], made[0, 6 + region], made[0, -1] = 8.0, 8.0, ribs
    return made


def test_levels_regions_and_ribs_count() -> None:
    loss, true = LevelLoss(REGIONS), torch.tensor([[4, 1, 1]])
    right = float(loss(scores(4, 1, 8.0), true))
    assert right < 0.1
    for wrong in (scores(3, 1, 8.0), scores(4, 0, 8.0), scores(4, 1, -8.0)):
        assert float(loss(wrong, true)) > right + 1
    unknown = torch.tensor([[4, 1, UNKNOWN]])
    assert float(loss(scores(4, 1, -8.0), unknown)) < 0.1


def test_scores_are_those_of_the_classes_that_are_there() -> None:
    true = target()
    model = torch.nn.Module()
    model.forward = lambda _: logits_of(true[:, 0])
    patches = [(torch.zeros(2, 12, 12, 12), true[0])]
    dice = SCORES["instance"](RECIPE, model, patches, torch.device("cpu"), False)
    assert dice[0] == 1.0
    assert dice[1] != dice[1]
    model.forward = lambda _: scores(4, 1, 1.0)
    patches = [(torch.zeros(2, 4, 4, 4), torch.tensor([n, 1, 1])) for n in (4, 3)]
    found = level_accuracy(REGIONS, model, patches, torch.device("cpu"), False)
    assert len(found) == 8
    assert (found[3], found[2]) == (1.0, 0.0)
