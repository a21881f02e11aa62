"""The training loss, where every voxel is known and where only absences are."""

from __future__ import annotations

import torch

from training.loop.class_loss import ClassLoss
from training.subjects.subjects import NOT_OURS


def gradients(loss: ClassLoss, target: torch.Tensor) -> torch.Tensor:
    """Of zero logits, (classes, I, J, K); positive where less of a class would be better."""
    logits = torch.zeros(1, 4, 2, 2, 2, requires_grad=True)
    loss(logits, target[None]).backward()
    assert logits.grad is not None
    return logits.grad[0]


def test_where_only_an_absence_is_known_only_the_packages_own_classes_are_punished() -> None:
    target = torch.zeros(2, 2, 2, dtype=torch.int64)
    target[0] = NOT_OURS
    found = gradients(ClassLoss(None, absent=((1, 2),)), target)
    assert (found[1:3, 0] > 0).all()
    assert (found[[0, 3], 0] < 0).all()
    assert (found[1:, 1] > 0).all()
    assert (found[0, 1] < 0).all()


def test_each_group_of_unknown_voxels_has_absent_classes_of_its_own() -> None:
    target = torch.full((2, 2, 2), NOT_OURS - 1)
    target[1] = 1
    found = gradients(ClassLoss(None, absent=((1,), (2,))), target)
    assert (found[2, 0] > 0).all()
    assert (found[[0, 1, 3], 0] < 0).all()
    assert (found[1, 1] < 0).all(), "a known class in such a patch is learnt"


def test_a_patch_of_unknown_voxels_alone_gives_a_finite_loss() -> None:
    target = torch.full((2, 2, 2), NOT_OURS)
    found = gradients(ClassLoss(None, absent=((1,),)), target)
    assert found.isfinite().all()
    assert (found[1] > 0).all()


def test_a_right_answer_costs_less_than_a_wrong_one_and_weights_count() -> None:
    target = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3]).reshape(1, 2, 2, 2)
    right = torch.nn.functional.one_hot(target, 4).movedim(-1, 1).float() * 8
    loss = ClassLoss(None, ())
    assert float(loss(right, target)) < 0.1 < float(loss(-right, target))
    heavy = ClassLoss((1.0, 1.0, 1.0, 50.0), ()).to(torch.device("cpu"))
    wrong_there = right.clone()
    wrong_there[target[:, None].expand_as(right) == 3] *= -1
    assert float(heavy(wrong_there, target)) > float(loss(wrong_there, target))


def test_dice_counts_the_classes_of_the_patch_alone_unless_told_otherwise() -> None:
    target = torch.zeros((1, 2, 2, 2), dtype=torch.int64)
    target[0, 0] = 1
    logits = torch.nn.functional.one_hot(target, 3).movedim(-1, 1).float() * 8
    stray = logits.clone()
    stray[:, 2] = 6.0
    present, all_of_them = ClassLoss(None, ()), ClassLoss(None, (), dice_of_absent=True)
    lost = float(present.mean_dice(stray, target) - present.mean_dice(logits, target))
    lost_with_absent = float(all_of_them.mean_dice(stray, target) - all_of_them.mean_dice(logits, target))
    assert 0 < lost_with_absent != lost
    nothing = torch.zeros_like(target)
    assert float(present.mean_dice(stray, nothing)) == 0
    assert float(all_of_them.mean_dice(stray, nothing)) > 0


def test_a_patch_partly_unknown_does_not_change_what_the_others_of_its_batch_cost() -> None:
    known = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3]).reshape(1, 2, 2, 2)
    unknown = torch.full((1, 2, 2, 2), NOT_OURS)
    logits = torch.randn(2, 4, 2, 2, 2, generator=torch.Generator().manual_seed(0))
    loss = ClassLoss(None, absent=((1,),))
    alone = loss(logits[:1], known), loss(logits[1:], unknown)
    together = loss(logits, torch.cat([known, unknown]))
    assert torch.allclose(together, (alone[0] + alone[1]) / 2)
