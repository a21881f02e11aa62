"""Training is repeatable and resumable, and a package accepts the exported weights."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.cli.training.train import train as train_package
from app.cli.training.train_options import TrainOptions
from operators.errors import ModelError, UsageError
from operators.networks.weights import load_weights
from operators.package_files.package_reader import (
    PACKAGE_FILE,
    read_coarse_to_fine_package,
)
from tests.support.training.training_cases import ROOT, recipe, tiny_run, write_data, write_models
from training.loop.trainer import absent_classes, set_learning_rate, train
from training.simulate.patches import Patches
from training.simulate.sources import Sources
from training.subjects.subjects import NOT_OURS

# The third checkpoint stops half-way, and the process dies as if the power had failed.
KILLED_WHILE_IT_WRITES = """
import os, signal, sys
from pathlib import Path
from tests.support.training.training_cases import tiny_run
import torch
from training.loop import trainer

written, save = [], torch.save

def save_or_die(content, file):
    if len(written) == 2:
        file.write(b"half of a checkpoint")
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    written.append(save(content, file))

torch.save = save_or_die
trainer.train(tiny_run(Path(sys.argv[1]), steps=100))
"""


def steps_logged(folder: Path) -> list[int]:
    lines = (folder / "runs" / "coarse.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["step"] for line in lines]


def averages(checkpoint: Path) -> dict[str, torch.Tensor]:
    kept: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["average"]
    return kept


def test_a_training_killed_while_it_writes_goes_on_from_the_last_whole_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-c", KILLED_WHILE_IT_WRITES, str(tmp_path)]
    killed = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=300, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    run = tiny_run(tmp_path, steps=7)
    before = torch.load(run.checkpoint, weights_only=True)
    assert before["step"] == 4
    assert before["progress"]["best_step"] in (2, 4)
    train(run)
    after = torch.load(run.checkpoint, weights_only=True)
    assert after["step"] == 7
    assert after["progress"]["best"] >= before["progress"]["best"]
    assert steps_logged(tmp_path)[:2] == [2, 4]
    assert steps_logged(tmp_path)[-1] == 7


def test_a_finished_training_is_not_trained_or_logged_again(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, steps=2)
    content = train(run).read_bytes()
    assert train(run).read_bytes() == content
    assert steps_logged(tmp_path) == [2]


def test_a_seed_gives_the_same_weights(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, steps=2, seed=5)
    first = averages(train(run))
    again = averages(train(replace(run, folder=tmp_path / "again")))
    other = averages(train(replace(run, folder=tmp_path / "other", seed=6)))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_a_training_can_begin_with_the_weights_of_another(tmp_path: Path) -> None:
    start = train(tiny_run(tmp_path, steps=2, seed=5))
    run = tiny_run(tmp_path, "fracture", seed=9, start_from=start, steps=2, minutes=1e-9)
    begun, given = averages(train(run)), averages(start)
    shared = [name for name in begun if begun[name].shape == given[name].shape]
    assert shared
    assert len(shared) < len(begun)
    assert all(torch.equal(begun[name], given[name]) for name in shared)


@pytest.mark.parametrize("network", ["coarse", "fracture"])
def test_patches_are_endless_repeatable_and_in_range(tmp_path: Path, network: str) -> None:
    run = tiny_run(tmp_path, network)
    patches = Patches(run.network, run.recipe, run.data, tmp_path / "cache", seed=2)
    shutil.rmtree(run.data)
    (tmp_path / "data").mkdir()
    with pytest.raises(UsageError, match="in the data folder"):
        next(iter(patches))
    shutil.rmtree(run.data)
    write_data(run.data)
    first = [patch for patch, _ in zip(patches, range(12), strict=False)]
    shutil.rmtree(run.data)
    for (hu, target), (same_hu, same_target) in zip(first, patches, strict=False):
        assert torch.equal(hu, same_hu)
        assert torch.equal(target, same_target)
        assert tuple(hu.shape[1:]) == tuple(target.shape) == run.network.patch
        assert 0 <= float(hu.min()) <= float(hu.max()) <= 1
        assert set(target.unique().tolist()) <= {*range(len(run.network.classes)), NOT_OURS}


def test_true_fragments_of_a_bone_set_are_read(tmp_path: Path) -> None:
    run = tiny_run(tmp_path, "fracture")
    bones = Sources(run.recipe, run.data, tmp_path / "cache").bones()
    assert [bone.fractured for bone in bones] == [True, False, False]
    assert set(np.unique(bones[0].fragments)) == {0, 1, 2}
    assert bones[0].hu is not None
    assert bones[0].hu[bones[0].mask > 0].min() == 800


def options(tmp_path: Path, **changes: Any) -> TrainOptions:
    data = tmp_path / "data"
    if not data.exists():
        write_data(data)
    models = tmp_path / "models"
    if not models.exists():
        write_models(models)
    plain = TrainOptions(data, "coarse", tmp_path / "runs", models, 2, None, 0, 0, None, 0)
    return replace(plain, **changes)


def test_the_train_command_trains_and_installs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_package("box", options=options(tmp_path)) == 0
    spec = read_coarse_to_fine_package(tmp_path / "models" / "box" / PACKAGE_FILE).coarse
    assert load_weights(spec.weights, spec.sha256).tensors
    assert spec.sha256 in capsys.readouterr().out


def test_the_train_command_says_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"expected a recipe none/training\.toml"):
        train_package("none", options=options(tmp_path))
    with pytest.raises(UsageError, match="expected one of the networks coarse, fracture, got 'deep'"):
        train_package("box", options=options(tmp_path, network="deep"))
    with pytest.raises(UsageError, match=r"boxes.nii.gz in the data folder"):
        train_package("box", options=options(tmp_path, data=tmp_path / "nowhere"))
    (tmp_path / "models" / "box" / "training.toml").write_text("[networks.coarse]", encoding="utf-8")
    with pytest.raises(ModelError, match=r"expected a training recipe in box/training\.toml"):
        train_package("box", options=options(tmp_path))


def test_class_patterns_merge_sides_for_a_network_blind_to_them(tmp_path: Path) -> None:
    made = recipe(tmp_path)
    sided = made.networks["coarse"]
    blind = sided.model_copy(update={"classes": ("background", "sacrum", "hip", "femur", "vertebra")})
    assert made.class_patterns(sided)["hip_left"] == ["hip_left"]
    assert made.class_patterns(blind)["hip"] == ["hip_left", "hip_right"]
    assert made.class_patterns(blind)["femur"] == ["femur_left", "femur_right"]
    assert absent_classes(made, sided) == ((1, 2, 3),)
    assert absent_classes(made, blind) == ((1, 2),)


def test_the_learning_rate_warms_up_and_falls_to_nothing(tmp_path: Path) -> None:
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.AdamW([weight])
    rates = []
    for done in (0.0, 0.01, 0.02, 0.5, 1.0):
        set_learning_rate(optimiser, 1.0, done)
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates[0] < rates[1] < rates[2] > rates[3] > rates[4] == 0
    run = tiny_run(tmp_path, minutes=2.0)
    assert replace(run, steps=10).planned_share(1, 60.0) == 0.5
    assert replace(run, steps=10, minutes=None).planned_share(1, 60.0) == 0.1
