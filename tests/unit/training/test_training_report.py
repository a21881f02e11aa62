"""The report beside the weights: training data, sessions and cost."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.training.training_cases import tiny_run, write_models
from training.device import WATTS_A_THREAD, stated_watts
from training.export import train_and_install
from training.loop.report import UNREAD, all_sessions, data_of, licence_of, named_paths
from training.loop.runs import TrainingRun
from training.loop.trainer import LOSSES
from training.recipe import read_recipe


def installed(folder: Path, **options: Any) -> dict[str, Any]:
    models = folder / "models"
    if not models.exists():
        write_models(models)
    run = tiny_run(folder, **options)
    report = train_and_install(run, models / "box").report
    assert report.name == "coarse.training.json"
    content: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return content


def test_the_report_says_what_was_trained_on_and_adds_up(tmp_path: Path) -> None:
    report = installed(tmp_path, steps=4)
    weights = tmp_path / "models" / "box" / "coarse.safetensors"
    assert report["weights_sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert report["held_out"] == ["009"]
    paths = {row["path"]: row["licence"] for row in report["data"]}
    assert paths == {
        "boxes.nii.gz": "not stated",
        "007": "Apache-2.0",
        "neck.nii.gz": "not stated",
        "training/phantoms": "Apache-2.0",
    }
    (session,) = report["sessions"]
    assert (session["from_step"], session["to_step"], session["software"]) == (0, 4, "1.0")
    assert session["watts"] == WATTS_A_THREAD * session["threads"]
    assert report["total"]["steps"] == 4
    assert report["validation"]["real"] == [{"path": "007", "trained_on_too": True}]
    best = report["validation"]["step"]
    assert best in (2, 4)
    assert report["validation"]["score"] == pytest.approx(
        sum(report["validation"]["simulated_dice"].values()) / len(report["validation"]["simulated_dice"]),
        abs=1e-3,
    )


def test_a_training_that_goes_on_adds_a_session(tmp_path: Path) -> None:
    installed(tmp_path, steps=2)
    report = installed(tmp_path, steps=4, seed=3)
    assert [(one["from_step"], one["to_step"]) for one in report["sessions"]] == [(0, 2), (2, 4)]
    assert [one["seed"] for one in report["sessions"]] == [0, 3]
    assert report["total"]["steps"] == 4
    minutes = sum(one["minutes"] for one in report["sessions"])
    assert report["total"]["minutes"] == pytest.approx(minutes, abs=0.11)


@pytest.mark.parametrize("start", ["runs/coarse.checkpoint", "models/box/coarse.safetensors"])
def test_a_training_that_begins_with_other_weights_keeps_their_history(tmp_path: Path, start: str) -> None:
    installed(tmp_path, steps=2)
    (tmp_path / "runs").rename(tmp_path / "former")
    begin = tmp_path / start.replace("runs", "former")
    report = installed(tmp_path, steps=4, start_from=begin)
    assert [(one["from_step"], one["to_step"]) for one in report["sessions"]] == [(0, 2), (0, 4)]
    assert report["total"]["steps"] == 6
    assert report["started_from"] == f"{begin.parent.name}/{begin.name}"


def test_sessions_are_read_from_the_log_as_far_as_it_was_written(tmp_path: Path) -> None:
    log = tmp_path / "one.jsonl"
    lines = [
        {"step": 200, "loss": 0.5, "seconds": 1800.0, "began": "a", "from_step": 0, "watts": 16.0},
        {"step": 400, "loss": 0.4, "seconds": 3600.0, "watching_s": 90.0},
        {"step": 600, "loss": 0.3, "seconds": 900.0, "began": "b", "from_step": 400, "watts": 700.0},
    ]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    first, second = all_sessions(tmp_path / "one.checkpoint")
    assert (first["minutes"], first["energy_wh"], first["watching_minutes"]) == (60, 16, 1.5)
    assert first["loss"] == 0.4
    assert (second["minutes"], second["energy_wh"], second["to_step"]) == (15, 175, 600)


def test_energy_is_stated_for_threads_and_for_a_gpu_beside_them() -> None:
    assert stated_watts("cuda", 2) - stated_watts("cpu", 2) == 700
    assert stated_watts("cpu", 4) == 2 * stated_watts("cpu", 2)


def test_paths_are_found_however_deep_and_licences_by_their_folder(tmp_path: Path) -> None:
    tables = {"a": [{"path": "x/1"}, {"folder": "y"}], "b": {"c": {"paths": ["z/1", "z/2"]}}, "n": 3}
    assert list(named_paths(tables)) == ["x/1", "y", "z/1", "z/2"]
    recipe = tiny_run(tmp_path).recipe
    assert licence_of("007/007_SA.nii.gz", recipe)["licence"] == "Apache-2.0"
    assert licence_of("0071", recipe)["licence"] == "not stated"


@pytest.mark.parametrize("network", ["instance", "level"])
def test_networks_of_rows_are_trained_on_rows_only(tmp_path: Path, network: str) -> None:
    recipe = read_recipe(Path(__file__).parents[3] / "models" / "spine" / "training.toml")
    run = TrainingRun(recipe, recipe.networks[network], tmp_path, tmp_path)
    rows = {row["path"]: row["licence"] for row in data_of(run)}
    assert list(rows) == [row.path for row in recipe.sources.deformed_rows]
    assert set(rows.values()) == {"CC BY 4.0", "CC BY-SA 4.0"}
    assert set(UNREAD) == set(LOSSES)
