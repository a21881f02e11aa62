"""`osteon train --new`, `--from-corrections` and `osteon corrections add`: what they refuse, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.cli.command_line import execute
from app.cli.commands import app
from tests.support.training.synthetic_datasets import write_raw
from tests.support.training.training_cases import ROOT
from training.datasets.importing import Wishes, import_dataset


def osteon(*words: object) -> object:
    with pytest.raises(SystemExit) as ended:
        execute(app, list(map(str, words)))
    return ended.value.code


def test_a_training_is_of_a_package_or_a_new_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert osteon("train", "--data", tmp_path) == 2
    assert "expected either PACKAGE or --new NAME, got neither" in capsys.readouterr().err
    assert osteon("train", "bones", "--data", tmp_path, "--new", "other") == 2
    assert "expected either PACKAGE or --new NAME, got both" in capsys.readouterr().err
    assert osteon("train", "--new", "bones") == 2
    assert "expected --data with a folder, got none" in capsys.readouterr().err
    assert osteon("train", "--new", "bones", "--data", tmp_path) == 4


def test_a_label_without_a_structure_is_asked_for_before_anything_is_read(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = write_raw(tmp_path / "source", {"a": 1, "b": 2})
    import_dataset(source, tmp_path / "dataset", Wishes())
    places = ("--runs", tmp_path / "runs", "--models", tmp_path / "models", "--data", tmp_path / "dataset")
    assert osteon("train", "--new", "thighs", *places) == 2
    assert "for each label, got none for thing; give --label NAME=STRUCTURE" in capsys.readouterr().err
    assert osteon("train", "--new", "thighs", *places, "--label", "thing=-") == 2
    assert "got 5 folds and 2 patients in 2 cases; give --folds 2" in capsys.readouterr().err
    assert (
        osteon("train", "--new", "thighs", *places, "--label", "thing=-", "--folds", "2", "--plan-only") == 0
    )
    assert "plan:" in (said := capsys.readouterr()).out
    assert "b measured, 2 of 2" in said.err
    assert not (tmp_path / "models" / "thighs").exists()


def test_an_option_that_contradicts_the_plan_or_the_training_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    source = write_raw(tmp_path / "source", {"a": 1, "b": 2})
    import_dataset(source, tmp_path / "dataset", Wishes())
    places = ("--runs", tmp_path / "runs", "--models", tmp_path / "models", "--data", tmp_path / "dataset")
    plan = ("train", "--new", "thighs", *places, "--folds", "2", "--plan-only")
    assert osteon(*plan, "--label", "thing=-") == 0
    assert osteon(*plan, "--label", "thing=-", "--label", "femur_left=femur:left") == 0
    assert osteon(*plan) == 0
    capsys.readouterr()
    for option, text in {
        ("--label", "thing=sacrum"): "expected thing to be -, as ",
        ("--label", "femur_left=-"): "expected femur_left to be femur_left, as ",
        ("--seed", "3"): "expected --seed 0, with which ",
        ("--start-from", ROOT / "models/pelvis"): "expected --start-from none, with which ",
        ("--better", "0.5"): "got --better, which it does not read",
        ("--network", "coarse"): "got --network, which it does not read",
    }.items():
        assert osteon(*plan, *option) == 2
        assert text in capsys.readouterr().err
    assert osteon("train", "thighs", "--from-corrections", "--data", tmp_path, "--plan-only") == 2
    assert "got --data, --plan-only, which it does not read" in capsys.readouterr().err
    assert osteon("train", "pelvis", "--data", tmp_path, "--label", "a=femur") == 2
    assert "got --label, which it does not read" in capsys.readouterr().err


def test_corrections_need_files_and_a_package_that_has_some(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert osteon("corrections", "add", tmp_path / "none", "--package", "bones") == 2
    assert "expected corrected files and their CTs, got" in capsys.readouterr().err
    where = ("--corrections", tmp_path, "--models", tmp_path)
    assert osteon("train", "bones", "--from-corrections", *where) == 4
    assert "expected a data set" in capsys.readouterr().err
