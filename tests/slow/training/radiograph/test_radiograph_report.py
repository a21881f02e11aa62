"""The whole command on synthetic radiographs, the baseline, and the report of metrics."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.accuracy.radiographs.pictures import FOUND, TRUE, picture
from operators.radiographs.detections import Decoding
from tests.support.radiographs.synthetic_radiographs import made_radiograph, write_dataset
from training.radiograph import __main__ as command
from training.radiograph import report
from training.radiograph.batches.sampler import Draws
from training.radiograph.loop import schedule
from training.radiograph.loop.schedule import NetworkSize, Phase, RadiographRecipe
from training.radiograph.predictions import Case, Prediction
from training.radiograph.radiograph_recipe import RecipeName

WHOLE = Draws(fractures=1, simulated=0, others=1, size=(128, 96), whole=True)
QUICK = RadiographRecipe(
    (Phase("only", 9, 1e-3, (WHOLE,)),), NetworkSize((8, 8, 8, 8, 8), (1, 1, 1, 1)), (128, 96), 2
)


def cases(count: int, right: bool) -> list[Case]:
    """Images of which every third is fractured, with perfect or uninformative predictions."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        image = made_radiograph(number, number % 3 == 0, "dev")
        probabilities = np.where(image.mask() & right, 0.8, 0.02).astype(np.float32)
        score = (2.0 if image.fractured else -2.0) if right else 0.0
        made.append(Case(image, Prediction(probabilities, score + float(rng.normal(0, 0.5)))))
    return made


def test_right_predictions_score_high_and_empty_ones_by_chance() -> None:
    good = {one.name: one for one in report.metrics(cases(60, right=True))}
    assert good["mask mAP50, fractured images"].value == pytest.approx(1)
    assert good["AUC"].value == 1
    assert good["sensitivity at 0.5 false positives an image"].value == 1
    assert good["calibration error (ECE)"].value < 0.1
    empty = {one.name: one for one in report.metrics(cases(60, right=False))}
    assert empty["mask mAP50, fractured images"].value == 0
    assert empty["AUC"].low < 0.5 < empty["AUC"].high
    assert empty["AUC"].low < empty["AUC"].value < empty["AUC"].high


def test_images_with_metal_are_left_out_of_the_second_table() -> None:
    made = cases(60, right=True)
    metal = [
        Case(replace(one.image, attributes=(0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0)), one.prediction)
        if one.image.fractured
        else Case(replace(one.image, attributes=(0.0,) * 10), one.prediction)
        for one in made
    ]
    named = {one.name: one for one in report.metrics(metal)}
    assert named["AUC"].value == 1
    assert np.isnan(named["AUC, without metal"].value)


def test_neighbours_share_a_fold_and_the_folds_are_even() -> None:
    fold = report.folds(cases(100, right=False))
    assert np.bincount(fold).tolist() == [20] * 5
    assert (np.diff(fold) != 0).sum() == 19


def test_pictures_show_truth_and_detections() -> None:
    one = cases(1, right=True)[0]
    shifted = np.roll(one.prediction.probabilities, 30, 0)
    image = picture(Case(one.image, Prediction(shifted, 0.0)), Decoding(0.3))
    assert tuple(image[48, 50]) == TRUE
    assert tuple(image[78, 50]) == FOUND


@pytest.mark.parametrize("name", ["outlines", "resnet18"])
def test_the_command_trains_goes_on_finishes_and_reports(
    name: RecipeName, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [made_radiograph(20 * n, n % 2 == 0, "dev" if n > 5 else "train") for n in range(12)]
    data = write_dataset(tmp_path / "data", images)
    runs = tmp_path / "runs"
    monkeypatch.setitem(schedule.RECIPES, name, QUICK if name == "outlines" else replace(QUICK, size=None))
    for more in ({"last_step": 2}, {"last_step": 3}, {"finish": 2}):
        command.main(data=data, runs=runs, recipe=name, **more)
    assert torch.load(runs / "state.pt")["step"] == 3
    assert torch.load(runs / "finished-3" / "state.pt")["step"] == 5
    assert 0 <= json.loads((runs / "finished-3" / "metrics.json").read_text())["auc"] <= 1
    weights = runs / "finished-3" / "state.pt"
    report.main(data=data, weights=(weights, weights), recipe=name)
    assert "| AUC |" in capsys.readouterr().out
