"""Early stopping: patience starts the final decay of the learning rate, and the best weights are kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.training.training_cases import tiny_run
from training.loop.checkpoints import Progress, best_weights, moving_average, read
from training.loop.trainer import train, validation_sets
from training.loop.validation import SCORES, dice_of_classes
from training.recipe_file import ValidationRules
from training.subjects.subjects import NOT_OURS

RULES = ValidationRules(patches=2, every=10, patience=2, fall=0.2)


def after(scores: list[float]) -> Progress:
    progress = Progress()
    for number, score in enumerate(scores, start=1):
        progress = progress.read(score, 10 * number, number / 10, RULES)
    return progress


def test_patience_counts_readings_that_were_no_better() -> None:
    assert after([0.5, 0.4]).fell_at is None
    assert after([0.5, 0.4, 0.6, 0.5]).fell_at is None
    patient = after([0.5, 0.4, 0.5])
    assert (patient.best, patient.best_step, patient.fell_at, patient.fell_from) == (0.5, 10, 30, 0.3)


def test_when_patience_ends_the_rest_of_the_training_is_hurried_through() -> None:
    progress = after([0.5, 0.4, 0.3])
    assert progress.share_done(0.3, 30, fall_steps=20) == pytest.approx(0.3)
    assert progress.share_done(0.4, 40, fall_steps=20) == pytest.approx(0.65)
    assert progress.share_done(0.5, 50, fall_steps=20) == 1.0
    assert progress.share_done(0.5, 51, fall_steps=20) == 1.0
    assert Progress().share_done(0.4, 40, fall_steps=20) == 0.4


def test_weights_that_get_better_during_the_fall_are_still_taken() -> None:
    progress = after([0.5, 0.4, 0.3]).read(0.7, 40, 0.65, RULES)
    assert (progress.best_step, progress.fell_at) == (40, 30)


def test_a_training_that_no_longer_learns_stops_and_keeps_its_best_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores, seen = iter([0.2, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]), []

    def scored(_: object, model: torch.nn.Module, *__: object) -> np.ndarray:
        seen.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        return np.full(6, next(scores))

    monkeypatch.setitem(SCORES, "anatomy", scored)
    run = tiny_run(tmp_path, steps=16)
    assert run.recipe.validation is not None
    watched = run.recipe.validation.model_copy(update={"real": (), "fall": 0.25})
    no_real = replace(run.recipe, validation=watched)
    kept = read(train(replace(run, recipe=no_real)), torch.device("cpu"))
    assert kept["progress"]["best_step"] == 4
    assert kept["progress"]["fell_at"] == 8
    assert kept["step"] == 12
    assert all(torch.equal(tensor, seen[1][name]) for name, tensor in best_weights(kept).items())


def test_validation_patches_are_made_once_and_are_none_of_the_trainings(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, "fracture")
    first = validation_sets(run)
    again = validation_sets(replace(run, seed=8, steps=3))
    assert [len(patches) for patches in first.values()] == [2, 2]
    for name, patches in first.items():
        for (image, target), (same_image, same_target) in zip(patches, again[name], strict=True):
            assert torch.equal(image, same_image)
            assert torch.equal(target, same_target)
            assert 0 <= float(image.min()) <= float(image.max()) <= 1


def test_real_validation_shows_the_true_fragments_contact_first(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, "fracture")
    real = validation_sets(run)["real"]
    contact = [int((target == 2).sum()) for _, target in real]
    assert contact == sorted(contact, reverse=True)
    assert contact[0] > 0


def test_readings_are_logged_by_class_and_their_time_is_counted(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, "fracture", steps=4)
    train(run)
    lines = [json.loads(text) for text in run.log.read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    for line in lines:
        assert set(line["real"]) == {"interior", "contact"}
        assert line["score"] == pytest.approx(line["simulated"]["contact"])
        assert 0 <= line["watching_s"] <= line["seconds"] + 0.1


def test_dice_counts_all_patches_together_and_nothing_of_the_unknown() -> None:
    class Says(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.one_hot(image[:, 0].long(), 4).movedim(-1, 1).float()

    said = torch.tensor([[1, 1, 2, 2], [1, 0, 2, 3]], dtype=torch.float16).reshape(2, 1, 4, 1, 1)
    true = torch.tensor([[1, 0, 2, 2], [1, 1, 0, NOT_OURS]], dtype=torch.uint8).reshape(2, 4, 1, 1)
    dice = dice_of_classes(Says(), list(zip(said, true, strict=True)), torch.device("cpu"), half=False)
    assert dice[0] == pytest.approx(2 * 2 / (3 + 3))
    assert dice[1] == pytest.approx(2 * 2 / (3 + 2))
    assert np.isnan(dice[2])


def test_the_average_forgets_the_random_start_within_a_few_dozen_steps() -> None:
    average = torch.zeros(1)
    for step in range(1, 40):
        moving_average([average], [torch.ones(1)], step)
    assert float(average) > 0.99
