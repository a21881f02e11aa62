"""A cascade becomes one package of both stages, or nothing; test_published_models checks its labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from operators.errors import ModelError
from operators.importing.formats import read_published
from operators.importing.published import PublishedModel, Wanted
from operators.package_files.package_reader import read_package
from tests.support.packages.model_cases import changed, ran, refusal, snapshot
from tests.support.packages.synthetic_nnunet import CASES, Case, write_v2
from tests.support.packages.synthetic_nnunet_v1 import V1_CASES, write_v1
from tests.support.packages.synthetic_packages import write_package

LOW = "nnUNetTrainer__nnUNetPlans__3d_lowres"


def renamed(case: Case) -> Case:
    """A cascade whose stage before is called as nnU-Net calls it."""
    assert case.before
    return replace(case, before=replace(case.before, name="3d_lowres", folds=1), folds=1)


CASCADE = renamed(next(case for case in CASES if case.name == "cascade"))
CASCADE_V1 = next(case for case in V1_CASES if case.name == "v1_cascade")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with one package in it."""
    write_package(tmp_path / "models" / "bones")
    return tmp_path / "models"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A cascade's folder; its stage before lies beside it under nnU-Net's name for it."""
    folder = write_v2(CASCADE, tmp_path / "results" / "nnUNetTrainer__nnUNetPlans__3d_cascade_fullres")
    (folder.parent / "3d_lowres").rename(folder.parent / LOW)
    return folder


def test_the_stage_before_is_found_beside_it_and_both_are_one_package(
    published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(capsys, "models", "import", published, "--name", "made", "--models", models)[0] == 0
    package = read_package(models / "made" / "package.toml")
    assert [spec.name for spec in package.networks] == ["previous_fold_0", "fold_0"]
    assert [spec.guide for spec in package.networks] == [(), ("sacrum", "hip_left")]
    code, text = ran(capsys, "models", "verify", "made", "--models", models)
    assert (code, "2 networks" in text) == (0, True)
    (models / "made" / "previous_fold_0.safetensors").unlink()
    assert ran(capsys, "models", "verify", "made", "--models", models)[0] == 5


def test_the_stage_before_may_lie_where_one_says(
    published: Path, models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = (published.parent / LOW).rename(tmp_path / "elsewhere")
    arguments = ("models", "import", published, "--name", "made", "--models", models)
    assert ran(capsys, *arguments)[0] == 5
    assert ran(capsys, *arguments, "--previous", elsewhere)[0] == 0
    assert ran(capsys, "models", "import", elsewhere, "--previous", published, "--models", models)[0] == 2


def test_version_1_is_found_by_its_task_and_plans(tmp_path: Path) -> None:
    folder = write_v1(CASCADE_V1, tmp_path)
    model = read_published(folder, Wanted())
    assert isinstance(model, PublishedModel)
    assert model.previous is not None
    assert (model.previous.origin.configuration, model.previous.guide) == ("3d_lowres", ())
    assert model.guide == ("class_1", "class_2")
    (tmp_path / "3d_lowres").rename(tmp_path / "gone")
    with pytest.raises(ModelError) as error:
        read_published(folder, Wanted())
    assert error.value.code == "previous_missing"


def made(plans: dict[str, Any]) -> dict[str, Any]:
    """The only configuration of the synthetic plans."""
    configuration: dict[str, Any] = plans["configurations"]["made"]
    return configuration


def drop_tensor(path: Path) -> None:
    content = torch.load(path, weights_only=False)
    del content["network_weights"]["encoder.stages.1.0.convs.0.conv.weight"]
    torch.save(content, path)


def with_code(path: Path) -> None:
    torch.save(torch.load(path, weights_only=False) | {"logging": print}, path)


def other_labels(low: Path) -> None:
    changed(low / "dataset.json", lambda d: d.update(labels={"background": 0, "sacrum": 1}))


def third_stage(low: Path) -> None:
    assert CASCADE.before
    write_v2(CASCADE.before, low.with_name("nnUNetTrainer__nnUNetPlans__first"))
    changed(low / "plans.json", lambda p: made(p).update(previous_stage="first"))


def checkpoint(low: Path) -> Path:
    return low / "fold_0" / "checkpoint_final.pth"


# What is wrong with the stage before
BAD_BEFORE: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "it is not there": (lambda low: low.rename(low.with_name("old")), "previous_missing", "3d_lowres"),
    "it has no folds": (lambda low: (low / "fold_0").rename(low / "old"), "fold_missing", "got no folds"),
    "it has other labels": (other_labels, "previous_does_not_fit", "[1, 2]"),
    "it has a stage before, too": (third_stage, "cascade_unsupported", "two stages"),
    "it calls": (lambda low: with_code(checkpoint(low)), "pickle_forbidden", "print"),
    "it has other tensors": (
        lambda low: drop_tensor(checkpoint(low)),
        "weights_do_not_fit",
        "1 tensors are missing",
    ),
}
# What is wrong with the cascade's own configuration
BAD_PLANS: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "a stage before that is no name": (
        lambda own: own.update(previous_stage="../x"),
        "plans_unreadable",
        "../x",
    ),
    "labels resampled in a way of their own": (
        lambda own: own.update(resampling_fn_seg="own"),
        "preprocessing_unsupported",
        "own",
    ),
    "labels mixed across slices": (
        lambda own: own["resampling_fn_seg_kwargs"].update(order_z=1),
        "preprocessing_unsupported",
        "order 1",
    ),
}


def refused(published: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """The exit code and output of a command that leaves the models folder unchanged."""
    before, code = snapshot(models), refusal(published)
    exit_code, text = ran(capsys, "models", "import", published, "--name", "made", "--models", models)
    assert exit_code == 5
    assert snapshot(models) == before
    assert [path.name for path in models.iterdir()] == ["bones"]
    return code, text


@pytest.mark.parametrize("what", BAD_BEFORE)
def test_a_bad_stage_before_is_refused_and_nothing_is_installed(
    what: str, published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, code, said = BAD_BEFORE[what]
    damage(published.parent / LOW)
    got, text = refused(published, models, capsys)
    assert (got, said in text) == (code, True)


@pytest.mark.parametrize("what", BAD_PLANS)
def test_bad_plans_of_a_cascade_are_refused_and_nothing_is_installed(
    what: str, published: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, code, said = BAD_PLANS[what]
    changed(published / "plans.json", lambda plans: damage(made(plans)))
    got, text = refused(published, models, capsys)
    assert (got, said in text) == (code, True)
