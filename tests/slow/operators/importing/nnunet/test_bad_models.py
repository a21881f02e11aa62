"""Bad published models are refused, each with its code; nothing is installed or executed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.packages.model_cases import changed, ran, refusal, snapshot
from tests.support.packages.synthetic_nnunet import CASES, write_v2
from tests.support.packages.synthetic_packages import write_package
from tests.unit.operators.importing.nnunet.test_bad_models import drop_tensor


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with one package in it."""
    write_package(tmp_path / "models" / "bones")
    return tmp_path / "models"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A published model whose labels are known."""
    return write_v2(CASES[0], tmp_path / "published")


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


BAD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a folder that is no model": (lambda f: (f / "plans.json").unlink(), "no_model", "none of them"),
    "no folds": (lambda f: (f / "fold_0").rename(f / "old"), "fold_missing", "got no folds"),
    "a fold without its weights": (
        lambda f: checkpoint(f).unlink(),
        "fold_missing",
        "fold_0/checkpoint_final.pth",
    ),
    "a pickle that calls": (lambda f: with_code(checkpoint(f)), "pickle_forbidden", "posix.system"),
    "a damaged checkpoint": (
        lambda f: checkpoint(f).write_bytes(checkpoint(f).read_bytes()[:5000]),
        "pickle_unreadable",
        "checkpoint_final.pth",
    ),
    "weights of another network": (
        lambda f: changed(
            f / "plans.json",
            lambda p: inner(p)["architecture"]["arch_kwargs"].update(features_per_stage=[4, 8, 16]),
        ),
        "weights_do_not_fit",
        "fold_0/checkpoint_final.pth",
    ),
    "a tensor that is missing": (
        lambda f: drop_tensor(checkpoint(f)),
        "weights_do_not_fit",
        "1 tensors are missing",
    ),
    "an unknown architecture": (
        lambda f: changed(
            f / "plans.json",
            lambda p: inner(p)["architecture"].update(network_class_name="somebody.CrystalBall"),
        ),
        "architecture_unknown",
        "CrystalBall",
    ),
    "an unusual argument": (
        lambda f: changed(
            f / "plans.json", lambda p: inner(p)["architecture"]["arch_kwargs"].update(nonlin_first=True)
        ),
        "architecture_unknown",
        "nonlin_first",
    ),
    "a cascade without its stage before": (
        lambda f: changed(f / "plans.json", lambda p: inner(p).update(previous_stage="3d_lowres")),
        "previous_missing",
        "name it with --previous",
    ),
    "two channels": (
        lambda f: changed(f / "dataset.json", lambda d: d["channel_names"].update({"1": "PET"})),
        "channels_unsupported",
        "got 2",
    ),
    "an unknown normalisation": (
        lambda f: changed(f / "plans.json", lambda p: inner(p).update(normalization_schemes=["Own"])),
        "preprocessing_unsupported",
        "Own",
    ),
    "an unknown resampling": (
        lambda f: changed(f / "plans.json", lambda p: inner(p).update(resampling_fn_data="own")),
        "preprocessing_unsupported",
        "own",
    ),
    "plans without a patch": (
        lambda f: changed(f / "plans.json", lambda p: inner(p).pop("patch_size")),
        "plans_unreadable",
        "patch_size",
    ),
    "plans that are no JSON": (
        lambda f: (f / "plans.json").write_text("{"),
        "plans_unreadable",
        "plans.json",
    ),
}


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
