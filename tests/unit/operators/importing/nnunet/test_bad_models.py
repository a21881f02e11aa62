"""Bad published models: each has its own message and code, and nothing is installed or executed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from operators.errors import ModelError
from operators.importing.formats import read_published
from operators.importing.pickles import read_checkpoint, read_pickle
from operators.importing.published import Wanted
from operators.package_files.package_reader import read_packages
from tests.support.packages.model_cases import ran, snapshot
from tests.support.packages.synthetic_nnunet import CASES, write_v2
from tests.support.packages.synthetic_nnunet_v1 import V1_CASES, write_v1
from tests.support.packages.synthetic_packages import write_package


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with one package in it."""
    write_package(tmp_path / "models" / "bones")
    return tmp_path / "models"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published model whose labels are known."""
    return write_v2(CASES[0], tmp_path / "published")


def drop_tensor(path: Path) -> None:
    content = torch.load(path, weights_only=False)
    del content["network_weights"]["encoder.stages.1.0.convs.0.conv.weight"]
    torch.save(content, path)


def test_a_second_fold_that_does_not_fit_takes_back_the_first(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folds = write_v2(replace(CASES[0], folds=2), tmp_path / "folds")
    drop_tensor(folds / "fold_1" / "checkpoint_final.pth")
    before = snapshot(models)
    code, text = ran(capsys, "models", "import", folds, "--name", "made", "--models", models)
    assert (code, "fold_1/checkpoint_final.pth" in text) == (5, True)
    assert snapshot(models) == before
    assert [path.name for path in models.iterdir()] == ["bones"]


def test_what_a_killed_import_leaves_is_no_package(
    published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(capsys, "models", "import", published, "--name", "made", "--models", models)[0] == 0
    left = models / ".import-abc"
    left.mkdir()
    (models / "made").rename(left / "made")
    assert [package.name for package in read_packages(models)] == ["bones"]
    assert ran(capsys, "models", "import", published, "--name", "made", "--models", models)[0] == 0
    assert [package.name for package in read_packages(models)] == ["bones", "made"]


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


def v1_file(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Rewrites what lies beside a checkpoint of version 1."""
    path = folder / "fold_0" / "model_final_checkpoint.model.pkl"
    content = pickle.loads(path.read_bytes())
    change(content)
    path.write_bytes(pickle.dumps(content))


BAD_V1: dict[str, tuple[Callable[[Path], object], str]] = {
    "plans that call": (
        lambda f: (f / "plans.pkl").write_bytes(pickle.dumps({"a": Path("x")})),
        "pickle_forbidden",
    ),
    "a cascade without its stage before": (
        lambda f: v1_file(f, lambda c: c.update(name="nnUNetTrainerV2CascadeFullRes")),
        "previous_missing",
    ),
    "another trainer": (lambda f: v1_file(f, lambda c: c.update(name="OwnTrainer")), "architecture_unknown"),
    "no word of its stage": (lambda f: v1_file(f, lambda c: c.pop("init")), "plans_unreadable"),
    "plans that are none": (lambda f: (f / "plans.pkl").write_bytes(b"(lp0"), "pickle_unreadable"),
    "a checkpoint without its pickle": (
        lambda f: (f / "fold_0" / "model_final_checkpoint.model.pkl").unlink(),
        "pickle_unreadable",
    ),
}


@pytest.mark.parametrize("what", BAD_V1)
def test_bad_models_of_version_1_are_refused(what: str, tmp_path: Path) -> None:
    damage, code = BAD_V1[what]
    published = write_v1(V1_CASES[0], tmp_path / "published")
    damage(published)
    with pytest.raises(ModelError) as error:
        read_published(published, Wanted())
    assert error.value.code == code
