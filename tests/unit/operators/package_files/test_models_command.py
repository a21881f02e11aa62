"""`osteon models`: what a person types, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from operators.package_files.package_reader import read_packages
from tests.support.packages.model_cases import changed, ran, snapshot
from tests.support.packages.synthetic_nnunet import CASES, write_v2
from tests.support.packages.synthetic_nnunet_v1 import V1_CASES, write_v1
from tests.support.packages.synthetic_packages import write_package

PLAIN = CASES[0]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with one package in it."""
    write_package(tmp_path / "models" / "bones")
    return tmp_path / "models"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published model whose labels are known."""
    return write_v2(PLAIN, tmp_path / "published")


def test_a_known_model_is_installed_listed_shown_and_verified(
    published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(models)
    assert ran(capsys, "models", "import", published, "--name", "made", "--models", models)[0] == 0
    assert {name: content for name, content in snapshot(models).items() if "bones" in name} == before
    assert [package.name for package in read_packages(models)] == ["bones", "made"]
    code, listed = ran(capsys, "models", "list", "--models", models)
    assert code == 0
    assert [line.split()[:2] for line in listed.splitlines()] == [["bones", "ready"], ["made", "ready"]]
    code, shown = ran(capsys, "models", "show", "made", "--models", models, "--json")
    about = json.loads(shown)
    assert code == 0
    assert [row["code"] for row in about["labels"]] == ["SCT 54735007", "SCT 29836001 SCT 7771000"]
    assert about["networks"][0]["normalisation"] == "ct"
    assert ran(capsys, "models", "verify", "--models", models)[0] == 0


def test_an_altered_weight_file_is_found(
    published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(capsys, "models", "import", published, "--name", "made", "--models", models)
    weights = models / "made" / "fold_0.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    code, text = ran(capsys, "models", "verify", "made", "--models", models)
    assert code == 5
    assert "fold_0.safetensors to have SHA-256" in text


def test_labels_without_codes_make_a_draft_that_is_refused_until_it_is_filled_in(
    published: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(published / "dataset.json", lambda d: d.update(labels={"background": 0, "sacrum": 1, "Blob": 2}))
    code, text = ran(capsys, "models", "import", published, "--name", "made", "--models", models)
    assert code == 5
    assert "1 of 2 labels have no code yet" in text
    assert [package.name for package in read_packages(models)] == ["bones"]
    for command in (
        ("models", "verify", "made"),
        ("run", tmp_path, "-o", tmp_path / "out", "--package", "made"),
    ):
        code, text = ran(capsys, *command, "--models", models)
        assert code == 5
        assert "expected a code for every label, got none for blob" in text
    draft = models / "made" / "package.draft.toml"
    empty = 'type = {value = "", scheme = "SCT", meaning = ""}'
    assert draft.read_text().count(empty) == 1
    draft.write_text(
        draft.read_text().replace(
            empty, empty.replace('""', '"272673000"', 1).replace('meaning = ""', 'meaning = "Bone"')
        )
    )
    assert ran(capsys, "models", "verify", "made", "--models", models)[0] == 0
    assert [package.name for package in read_packages(models)] == ["bones", "made"]


def test_names_that_are_taken_or_none_are_usage_errors(
    published: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(models)
    for arguments in (
        (published, "--name", "bones"),
        (published, "--name", "../bones"),
        (tmp_path / "nowhere",),
        (published, "--labels", "nobodys"),
        (published, "--orientation", "LLS"),
        (published, "--fold", "../x"),
    ):
        assert ran(capsys, "models", "import", *arguments, "--models", models)[0] == 2
    assert ran(capsys, "models", "show", "nobody", "--models", models)[0] == 2
    assert snapshot(models) == before


def test_a_fold_that_was_asked_for_must_be_there(
    published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, text = ran(capsys, "models", "import", published, "--fold", "0", "--fold", "3", "--models", models)
    assert code == 5
    assert "expected fold_3/checkpoint_final.pth, got folds 0" in text


def test_known_labels_bring_their_orientation(
    published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"background": 0, "hip_left": 1, "vertebrae_L5": 2}
    changed(published / "dataset.json", lambda d: d.update(labels=names))
    assert ran(capsys, "models", "import", published, "--name", "made", "--models", models)[0] == 0
    text = (models / "made" / "package.toml").read_text()
    assert 'orientation = "RAS"' in text
    assert 'structure = "vertebra_L5"' in text


def test_version_1_gets_its_labels_by_a_tables_name(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published = write_v1(V1_CASES[0], tmp_path / "published")
    arguments = ("models", "import", published, "--name", "made", "--models", models)
    assert ran(capsys, *arguments, "--labels", "ctpelvic1k")[0] == 0
    code, shown = ran(capsys, "models", "show", "made", "--models", models, "--json")
    assert code == 0
    assert [row["meaning"] for row in json.loads(shown)["labels"]] == ["Sacrum", "Right hip bone"]


def test_imported_bones_go_through_the_shared_fracture_network_if_asked(
    published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("models", "import", published, "--models", models, "--name")
    assert ran(capsys, *asked, "split", "--split")[0] == 0
    assert ran(capsys, *asked, "whole")[0] == 0
    _, split, whole = read_packages(models)
    assert (split.kind, whole.kind) == ("nnunet_fragments", "nnunet")
    assert {label.name: len(label.values) for label in split.labels} == {"sacrum": 10, "hip_left": 10}
    assert split.networks[-1].weights.resolve() == models / "bones" / "fracture.safetensors"
    assert ran(capsys, "models", "verify", "split", "--models", models)[0] == 0


def test_what_the_shared_fracture_network_cannot_split_is_refused(
    published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(models)
    asked = ("models", "import", published, "--name", "made", "--split", "--models", models)
    code, text = ran(capsys, *asked, "--fractures", published, "--labels", "ctpelvic1k")
    assert (code, "got a fracture network of its own" in text) == (2, True)
    changed(published / "dataset.json", lambda d: d.update(labels={"background": 0, "spleen": 1, "liver": 2}))
    code, text = ran(capsys, *asked)
    assert code == 2
    assert "expected --split with labels of " in text
    assert "got none of them in made" in text
    assert snapshot(models) == before
