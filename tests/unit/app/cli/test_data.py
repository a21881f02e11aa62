"""The commands `osteon data import` and `osteon data check`, from words to sentences and exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from app.cli.command_line import execute
from app.cli.commands import app
from tests.support.training.synthetic_datasets import write_raw


def run(*words: object) -> object:
    with pytest.raises(SystemExit) as ended:
        execute(app, ["data", *map(str, words)])
    return ended.value.code


def test_a_set_is_imported_checked_and_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write_raw(tmp_path / "source", {"a": 1, "b": 2})
    (source / "labelsTr" / "b.nii.gz").unlink()
    assert run("import", source, "--to", tmp_path / "dataset") == 0
    told = capsys.readouterr()
    assert "label 1: femur_left: femur left" in told.out
    assert "1 cases, 1 patients, 1 left out" in told.out
    assert "left out: imagesTr/b: an image without labels" in told.err
    assert run("check", tmp_path / "dataset") == 0
    assert "1 cases, 0 faults" in capsys.readouterr().out
    assert (tmp_path / "dataset" / "contact_sheet.png").is_file()


def test_a_fault_is_an_exit_code_and_json_lists_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("import", write_raw(tmp_path / "source", {"a": 1}), "--to", tmp_path / "dataset")
    (tmp_path / "dataset" / "labels" / "a.nii.gz").unlink()
    capsys.readouterr()
    assert run("check", tmp_path / "dataset", "--json") == 4
    remarks = json.loads(capsys.readouterr().out)["remarks"]
    assert ("fault", "missing") in [(remark["level"], remark["code"]) for remark in remarks]


def test_a_folder_without_labelled_images_has_its_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "source").mkdir()
    assert run("import", tmp_path / "source", "--to", tmp_path / "dataset") == 3
    assert "got no case that can be used" in capsys.readouterr().err
    assert run("check", tmp_path / "source") == 4
