"""`osteon train` on radiographs: a few steps in each layout, folds, a kill, and the installed package."""

from __future__ import annotations

import csv
import hashlib
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from app.cli.training.calibrate import CalibrateOptions, calibrate
from app.cli.training.train import train as train_package
from app.cli.training.train_options import TrainOptions
from operators.errors import ModelError, UsageError
from operators.networks.architectures.radiograph_network import RadiographReader
from tests.support.radiographs.radiograph_package import write_radiograph_package
from tests.support.radiographs.small_batches import NAME, with_small_batches
from tests.support.radiographs.synthetic_radiographs import (
    distinct_radiograph,
    made_radiograph,
    write_dataset,
    write_fracatlas,
    write_graz,
)
from tests.support.training.training_cases import ROOT
from training.radiograph.loop.schedule import RECIPES
from training.radiograph.package_installation import package_in
from training.radiograph.radiograph_recipe import RadiographRecipeFile
from training.radiograph.radiograph_run import RadiographRun
from training.radiograph.radiograph_run import train as train_radiographs

RECIPE = 'subjects = "radiograph"\nrecipe = "outlines"\nsteps = 40000\n'
COMMAND = """
import sys
from app.cli.commands import main
from tests.support.radiographs.small_batches import make_batches_small

make_batches_small()
sys.argv[0] = "osteon"
main()
"""
# The process dies as it saves the second fold for the second time, as if the power had failed
KILLED = """
import os, signal, sys
import torch
from app.cli.commands import main
from tests.support.radiographs.small_batches import make_batches_small
from training.radiograph.loop import phased_trainer

make_batches_small()
torch.set_num_threads(1)
phased_trainer.SAVE_S = 0.0
written, save = [], torch.save

def save_or_die(content, file):
    if len(written) == 4:
        file.write(b"half of a state")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(save(content, file))

torch.save = save_or_die
sys.argv[0] = "osteon"
main()
"""


def train(package: str, **options: Any) -> int:
    """Runs `osteon train` with these options."""
    return train_package(package, options=TrainOptions(**options))


@pytest.fixture(autouse=True)
def one_thread_and_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(RECIPES, NAME, with_small_batches(RECIPES[NAME]))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    (folder / "made").mkdir(parents=True)
    (folder / "made" / "training.toml").write_text(RECIPE, encoding="utf-8")
    return folder


def write_own(folder: Path) -> Path:
    images = [distinct_radiograph(n, n // 5 % 2 == 1, "dev" if n >= 60 else "train") for n in range(0, 80, 5)]
    return write_dataset(folder, images)


WRITERS = {
    "Osteon": write_own,
    "FracAtlas": lambda folder: write_fracatlas(folder, range(1, 41)),
    "GRAZPEDWRI-DX": lambda folder: write_graz(folder, 16),
}


@pytest.mark.parametrize("layout", WRITERS)
def test_a_training_in_each_layout_ends_in_an_installed_network(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str], layout: str
) -> None:
    data, runs = WRITERS[layout](tmp_path / "data"), tmp_path / "runs"
    assert train("made", data=data, runs=runs, models=models, steps=3, workers=0) == 0
    said = capsys.readouterr()
    assert said.err.startswith("load: libraries\nprepare")
    assert "train 100%: step 3" in said.err
    weights = models / "made" / "network.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert digest in said.out
    report = json.loads(weights.with_suffix(".training.json").read_text(encoding="utf-8"))
    assert (report["layout"], report["steps"], report["sha256"]) == (layout, 3, digest)
    state = torch.load(runs / "finished" / "state.pt", weights_only=True)
    assert state["step"] == 3
    assert state["last_phase_from"] == 1
    metrics = json.loads((runs / "finished" / "metrics.json").read_text(encoding="utf-8"))
    assert {"auc", "accuracy", "mAP50 at 0.3"} <= set(metrics)


def test_a_package_gets_its_networks_and_a_decision(tmp_path: Path, models: Path) -> None:
    write_radiograph_package(models, "finder")
    folder = models / "finder"
    (models / "made" / "training.toml").rename(folder / "training.toml")
    images = [
        distinct_radiograph(n, n // 5 % 2 == 1, "dev" if n >= 60 else "train") for n in range(0, 125, 5)
    ]
    data = write_dataset(tmp_path / "data", images)
    assert train("finder", data=data, runs=tmp_path / "runs", models=models, steps=2, workers=0) == 0
    package = package_in(folder)
    (fold,) = package.folds
    assert fold.sha256 == hashlib.sha256(fold.weights.read_bytes()).hexdigest()
    assert fold.weights.with_suffix(".training.json").is_file()
    network = RadiographReader((16, 32, 64, 128, 256), (2, 3, 3, 2), 12)
    network.load_state_dict({name: value.float() for name, value in load_file(fold.weights).items()})
    assert float(network.whitening.abs().sum()) > 0
    decision = package.decision
    assert decision.fitted_on == "13 images that training did not see"
    points = decision.operating_points
    assert 0 < points["sensitive"] <= points["balanced"] <= points["specific"] < 1


def test_too_few_images_to_decide_on_are_named(tmp_path: Path, models: Path) -> None:
    write_radiograph_package(models, "finder")
    (models / "made" / "training.toml").rename(models / "finder" / "training.toml")
    data = write_own(tmp_path / "data")
    with pytest.raises(UsageError, match="at least 5 fractured"):
        train("finder", data=data, runs=tmp_path / "runs", models=models, steps=1, workers=0)


def test_a_folder_with_a_recipe_alone_is_enough(tmp_path: Path, models: Path) -> None:
    data = write_own(tmp_path / "data")
    (data / "images" / "IMG0000005.jpg").unlink()
    assert train("made", data=data, runs=tmp_path / "runs", models=models, steps=1, workers=0) == 0
    assert sorted(path.name for path in (models / "made").iterdir()) == [
        "network.safetensors",
        "network.training.json",
        "training.toml",
    ]
    with (tmp_path / "runs" / "excluded.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"file": "IMG0000005.jpg", "reason": "missing", "found": "no such file"}
        ]


def test_cross_validation_that_was_killed_goes_on_to_the_same_table(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, runs = write_own(tmp_path / "data"), tmp_path / "runs"
    words = ["train", "made", "--data", str(data), "--models", str(models), "--steps", "2", "--workers", "0"]
    command = [sys.executable, "-W", "ignore", "-c", KILLED, *words, "--folds", "2", "--runs", str(runs)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=200, check=False, env=environment)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert (runs / "fold-1" / "metrics.json").is_file()
    assert torch.load(runs / "fold-2" / "state.pt", weights_only=True)["step"] == 1
    first = (runs / "fold-1" / "state.pt").read_bytes()
    arguments = {"data": data, "models": models, "steps": 2, "folds": 2, "workers": 0}
    assert train("made", runs=runs, **arguments) == 0
    table = capsys.readouterr().out
    assert (runs / "fold-1" / "state.pt").read_bytes() == first
    assert train("made", runs=tmp_path / "through", **arguments) == 0
    assert capsys.readouterr().out == table
    assert "| metric | mean | spread | fold 1 | fold 2 |" in table
    found, expected = (
        json.loads((folder / "cross-validation.json").read_text(encoding="utf-8"))
        for folder in (runs, tmp_path / "through")
    )
    assert found == expected
    assert sum(fold["measured"] for fold in found["folds"]) == 12
    assert not list((models / "made").glob("*.safetensors"))


def test_sigterm_saves_and_the_same_command_goes_on(tmp_path: Path, models: Path) -> None:
    data, runs = write_own(tmp_path / "data"), tmp_path / "runs"
    words = ["train", "made", "--data", str(data), "--runs", str(runs), "--models", str(models)]
    command = [sys.executable, "-W", "ignore", "-c", COMMAND, *words, "--workers", "0"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        assert run.stderr is not None
        while not re.match(r"train 0%.*: step", run.stderr.readline()):
            assert run.poll() is None
        run.send_signal(signal.SIGTERM)
        out, _ = run.communicate(timeout=60)
    assert run.returncode == 0
    assert "the same command resumes from there" in out
    assert torch.load(runs / "finished" / "state.pt", weights_only=True)["step"] >= 1
    assert not (runs / "finished" / "metrics.json").exists()


def test_a_budget_in_minutes_is_kept_and_the_rate_has_its_rise_and_fall(tmp_path: Path) -> None:
    ticks = itertools.count()
    run = RadiographRun(
        RadiographRecipeFile.model_validate(tomllib.loads(RECIPE)),
        write_own(tmp_path / "data"),
        tmp_path / "runs",
        tmp_path / "made",
        minutes=0.1,
        # A clock of its own, a fifth of a second per reading: the speed of the machine does not matter
        clock=lambda: 0.2 * next(ticks),
        device=torch.device("cpu"),
    )
    assert "trained" in list(train_radiographs(run))[-1]
    state = torch.load(run.folder / "finished" / "state.pt", weights_only=True)
    step_s = 5 * 0.2  # a step reads the clock five times
    assert 0.95 * (6 - 2 * step_s) < state["seconds"] <= 6
    assert 0 < state["last_phase_from"] < state["step"]
    assert state["optimiser"]["param_groups"][0]["lr"] < 0.5 * run.settings.phases[-1].rate


def test_what_cannot_be_trained_on_is_said(tmp_path: Path, models: Path) -> None:
    data = write_own(tmp_path / "data")
    plain = {"data": data, "runs": tmp_path / "runs", "models": models, "workers": 0}
    with pytest.raises(UsageError, match="expected radiographs in one of the layouts Osteon"):
        train("made", **plain | {"data": tmp_path / "models"})
    with pytest.raises(UsageError, match="expected 2 folds or more, got 1"):
        train("made", folds=1, **plain)
    with pytest.raises(UsageError, match="neither --network nor --start-from"):
        train("made", network="fine", **plain)
    with pytest.raises(UsageError, match="a recipe on simulated CT"):
        calibrate("made", options=CalibrateOptions(data, models=models))
    whole = [made_radiograph(n, fractured=False) for n in range(3)]
    with pytest.raises(UsageError, match="expected"):
        train("made", **plain | {"data": write_dataset(tmp_path / "whole", whole)})


def test_folds_that_do_not_fit_what_lies_there_are_refused(tmp_path: Path, models: Path) -> None:
    data = write_own(tmp_path / "data")
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "folds.csv").write_text("file,fold\na,1\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"expected the folds that folds\.csv lists"):
        train("made", data=data, runs=tmp_path / "runs", models=models, folds=2, workers=0)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ('"radiograph"', '"mri"', "expected subjects in training.toml to be one of simulated_ct, radiograph"),
        ("steps = 40000", "steps = 0", "steps: expected 1 or more, got 0"),
        ("steps = 40000", "stepps = 1", "stepps"),
        ('"outlines"', '"outline"', "recipe: expected"),
    ],
)
def test_a_wrong_recipe_is_refused(tmp_path: Path, models: Path, old: str, new: str, text: str) -> None:
    path = models / "made" / "training.toml"
    path.write_text(RECIPE.replace(old, new), encoding="utf-8")
    with pytest.raises(ModelError, match=text):
        train("made", data=tmp_path, models=models)
