"""`osteon models`: each bad input has its own message and code; installed packages stay as they were."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from app.cli import app, execute
from operators.errors import ModelError
from operators.imaging.package_file import read_packages
from operators.networks.imports.formats import read_published
from operators.networks.imports.pickles import read_checkpoint, read_pickle
from tests.made_nnunet import CASES, write_v2
from tests.made_packages import write_package

PLAIN = CASES[0]


def ran(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str]:
    """Exit code and all that a command said."""
    with pytest.raises(SystemExit) as ended:
        execute(app, [str(argument) for argument in arguments])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out + said.err


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with one package in it."""
    write_package(tmp_path / "models" / "bones")
    return tmp_path / "models"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published model whose labels are known."""
    return write_v2(PLAIN, tmp_path / "published")


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrites a JSON file."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def checkpoint(folder: Path) -> Path:
    return folder / "fold_0" / "checkpoint_final.pth"


def with_code(path: Path) -> None:
    """Puts a call of os.system into a checkpoint."""

    class Call:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            import os

            return os.system, (f"touch {path.parent}/called",)

    content = torch.load(path, weights_only=False)
    torch.save(content | {"logging": Call()}, path)


def inner(plans: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = plans["configurations"]["made"]
    return made


def drop_tensor(path: Path) -> None:
    content = torch.load(path, weights_only=False)
    del content["network_weights"]["encoder.stages.1.0.convs.0.conv.weight"]
    torch.save(content, path)


BAD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a folder that is no model": (lambda f: (f / "plans.json").unlink(), "no_model", "neither"),
    "no folds": (lambda f: (f / "fold_0").rename(f / "old"), "fold_missing", "got no folds"),
    "a fold without its weights": (
        lambda f: checkpoint(f).unlink(), "fold_missing", "fold_0/checkpoint_final.pth",
    ),
    "a pickle that calls": (lambda f: with_code(checkpoint(f)), "pickle_forbidden", "posix.system"),
    "a damaged checkpoint": (
        lambda f: checkpoint(f).write_bytes(checkpoint(f).read_bytes()[:5000]), "pickle_unreadable",
        "checkpoint_final.pth",
    ),
    "weights of another network": (
        lambda f: changed(f / "plans.json", lambda p: inner(p)["architecture"]["arch_kwargs"].update(
            features_per_stage=[4, 8, 16])), "weights_do_not_fit", "fold_0/checkpoint_final.pth",
    ),
    "a tensor that is missing": (
        lambda f: drop_tensor(checkpoint(f)), "weights_do_not_fit", "1 tensors are missing",
    ),
    "an unknown architecture": (
        lambda f: changed(f / "plans.json", lambda p: inner(p)["architecture"].update(
            network_class_name="somebody.CrystalBall")), "architecture_unknown", "CrystalBall",
    ),
    "an unusual argument": (
        lambda f: changed(f / "plans.json", lambda p: inner(p)["architecture"]["arch_kwargs"].update(
            nonlin_first=True)), "architecture_unknown", "nonlin_first",
    ),
    "a cascade": (
        lambda f: changed(f / "plans.json", lambda p: inner(p).update(previous_stage="3d_lowres")),
        "cascade_unsupported", "3d_lowres",
    ),
    "two channels": (
        lambda f: changed(f / "dataset.json", lambda d: d["channel_names"].update({"1": "PET"})),
        "channels_unsupported", "got 2",
    ),
    "an unknown normalisation": (
        lambda f: changed(f / "plans.json", lambda p: inner(p).update(normalization_schemes=["Own"])),
        "preprocessing_unsupported", "Own",
    ),
    "an unknown resampling": (
        lambda f: changed(f / "plans.json", lambda p: inner(p).update(resampling_fn_data="own")),
        "preprocessing_unsupported", "own",
    ),
    "plans without a patch": (
        lambda f: changed(f / "plans.json", lambda p: inner(p).pop("patch_size")), "plans_unreadable",
        "patch_size",
    ),
    "plans that are no JSON": (
        lambda f: (f / "plans.json").write_text("{"), "plans_unreadable", "plans.json",
    ),
}


def refusal(published: Path) -> str:
    """The code with which reading a model is refused; weights are compared with the plans only after."""
    try:
        read_published(published, (), None)
    except ModelError as error:
        return error.code
    return "weights_do_not_fit"


@pytest.mark.parametrize("what", BAD)
def test_bad_models_are_refused_and_nothing_is_installed(
    what: str, published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, code, said = BAD[what]
    damage(published)
    before = snapshot(models)
    assert refusal(published) == code
    exit_code, text = ran(capsys, "models", "import", published, "--models", models)
    assert exit_code == 5
    assert said in text
    assert snapshot(models) == before
    assert [path.name for path in models.iterdir()] == ["bones"]
    assert not list(published.rglob("called"))


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
        ("models", "verify", "made"), ("run", tmp_path, "-o", tmp_path / "out", "--package", "made"),
    ):
        code, text = ran(capsys, *command, "--models", models)
        assert code == 5
        assert "expected a code for every label, got none for blob" in text
    draft = models / "made" / "package.draft.toml"
    empty = 'type = { value = "", scheme = "SCT", meaning = "" }'
    assert draft.read_text().count(empty) == 1
    draft.write_text(draft.read_text().replace(empty, empty.replace('""', '"272673000"', 1).replace(
        'meaning = ""', 'meaning = "Bone"')))
    assert ran(capsys, "models", "verify", "made", "--models", models)[0] == 0
    assert [package.name for package in read_packages(models)] == ["bones", "made"]


def test_names_that_are_taken_or_none_are_usage_errors(
    published: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = snapshot(models)
    for arguments in (
        (published, "--name", "bones"), (published, "--name", "../bones"), (tmp_path / "nowhere",),
        (published, "--labels", "nobodys"), (published, "--orientation", "LLS"),
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
    assert "49668003" in text


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_pickles_are_read_and_others_are_named(protocol: int, tmp_path: Path) -> None:
    path = tmp_path / "plans.pkl"
    plain = {"a": np.arange(3.0), "b": np.float32(2), "c": (1, [2, {3}]), "d": b"\xff", "e": "text"}
    path.write_bytes(pickle.dumps(plain, protocol))
    read = read_pickle(path)
    np.testing.assert_array_equal(read.pop("a"), plain.pop("a"))
    assert read == plain
    path.write_bytes(pickle.dumps(Path("/tmp"), protocol))
    with pytest.raises(ModelError, match=r"plans\.pkl.*pathlib") as error:
        read_pickle(path)
    assert error.value.code == "pickle_forbidden"


@pytest.mark.parametrize("zipped", [True, False])
def test_checkpoints_of_both_formats_are_read_and_calls_are_not(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "model.model"
    content = {"state_dict": {"w": torch.ones(2)}, "plot_stuff": [np.float64(1), np.zeros(2)], "epoch": 3}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    assert torch.equal(read_checkpoint(path)["state_dict"]["w"], torch.ones(2))
    torch.save({"logging": print}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ModelError) as error:
        read_checkpoint(path)
    assert error.value.code == "pickle_forbidden"
    assert not (tmp_path / "called").exists()
