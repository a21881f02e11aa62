"""Unsupported bundles are refused by name; nothing is executed, nothing installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from operators.errors import ModelError
from operators.importing.formats import read_published
from operators.importing.published import Wanted
from tests.support.packages.model_cases import changed, ran, snapshot
from tests.support.packages.synthetic_bundles import BUNDLES, write_bundle
from tests.support.packages.synthetic_packages import write_package
from tests.unit.operators.importing.monai_bundle.test_bad_bundles import inference, with_last


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose labels are known."""
    return write_bundle(BUNDLES[0], tmp_path / "bundle")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with one package in it."""
    write_package(tmp_path / "models" / "bones")
    return tmp_path / "models"


def weights(folder: Path) -> Path:
    return folder / "models" / "model.pt"


def with_first(folder: Path, **more: object) -> None:
    """Changes the last step before the network."""
    changed(inference(folder), lambda c: c["preprocessing"]["transforms"][-1].update(more))


def with_value(name: str, value: object) -> Callable[[Path], None]:
    return lambda folder: changed(inference(folder), lambda c: c.update({name: value}))


def called(path: Path) -> None:
    torch.save(torch.load(path) | {"more": print}, path)


BAD: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "a network of its own": (
        with_value("network_def", {"_target_": "scripts.net.CrystalBall"}),
        "architecture_unknown",
        "scripts.net.CrystalBall",
    ),
    "a network by MONAI's name in another library": (
        with_value("network_def", {"_target_": "elsewhere.UNet"}),
        "architecture_unknown",
        "elsewhere.UNet",
    ),
    "an argument that MONAI does not have": (
        lambda f: changed(inference(f), lambda c: c["network_def"].update(crystal=1)),
        "architecture_unknown",
        "crystal",
    ),
    "two channels": (
        lambda f: changed(inference(f), lambda c: c["network_def"].update(in_channels=2)),
        "channels_unsupported",
        "got 2",
    ),
    "slices": (
        lambda f: changed(inference(f), lambda c: c["network_def"].update(spatial_dims=2)),
        "architecture_unknown",
        "three dimensions",
    ),
    "a network for MR": (
        lambda f: changed(
            f / "configs" / "metadata.json",
            lambda m: m["network_data_format"]["inputs"]["image"].update(modality="MR"),
        ),
        "modality_unsupported",
        "MR",
    ),
    "a transform of its own": (
        lambda f: with_first(f, _target_="scripts.transforms.Magicd"),
        "preprocessing_unsupported",
        "scripts.transforms.Magicd",
    ),
    "an expression that runs": (
        lambda f: with_first(f, a_min="$__import__('os').system('touch called')"),
        "preprocessing_unsupported",
        "nothing of a bundle is executed",
    ),
    "an expression of an attribute": (
        lambda f: with_first(f, a_min="$(1).__class__"),
        "preprocessing_unsupported",
        "__class__",
    ),
    "a lambda": (
        with_last(lambda rows: rows.append({"_target_": "Lambdad", "func": "$lambda x: x"})),
        "preprocessing_unsupported",
        "lambda x: x",
    ),
    "an unusual argument": (
        lambda f: with_first(f, channel_wise=True),
        "preprocessing_unsupported",
        "channel_wise",
    ),
    "no spacing": (
        lambda f: changed(inference(f), lambda c: c["preprocessing"]["transforms"].pop(3)),
        "preprocessing_unsupported",
        "one Spacing",
    ),
    "another order after the network": (
        with_last(lambda rows: rows.reverse()),
        "preprocessing_unsupported",
        "in one of the orders",
    ),
    "labels that are mixed": (
        with_last(lambda rows: rows.insert(1, rows.pop(2))),
        "preprocessing_unsupported",
        "got interpolated ones",
    ),
    "another inferer": (
        with_value("inferer", {"_target_": "SimpleInferer"}),
        "preprocessing_unsupported",
        "SimpleInferer",
    ),
    "a patch of the image's size": (
        lambda f: changed(inference(f), lambda c: c["inferer"].update(roi_size=[16, 16, -1])),
        "preprocessing_unsupported",
        "expected a patch",
    ),
    "a reference to itself": (with_value("network_def", "@network_def"), "plans_unreadable", "configs"),
    "a reference to nothing": (with_value("network_def", "@nothing"), "plans_unreadable", "nothing"),
    "no network": (
        lambda f: changed(inference(f), lambda c: c.pop("network_def")),
        "plans_unreadable",
        "configs",
    ),
    "a configuration that is no JSON": (
        lambda f: inference(f).write_text("{"),
        "plans_unreadable",
        "configs",
    ),
    "names of other channels": (
        lambda f: changed(
            f / "configs" / "metadata.json",
            lambda m: m["network_data_format"]["outputs"]["pred"]["channel_def"].update({"7": "more"}),
        ),
        "plans_unreadable",
        "3 channels",
    ),
    "no weights": (lambda f: weights(f).unlink(), "fold_missing", "models/model.pt"),
    "a pickle that calls": (lambda f: called(weights(f)), "pickle_forbidden", "print"),
    "TorchScript": (
        lambda f: torch.jit.save(torch.jit.script(torch.nn.Conv3d(1, 1, 1)), weights(f)),
        "pickle_unreadable",
        "model.pt",
    ),
    "weights of another network": (
        lambda f: changed(inference(f), lambda c: c["network_def"].update(channels=[4, 8, 16])),
        "weights_do_not_fit",
        "models/model.pt",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_it_is_refused_and_nothing_is_installed(
    what: str, bundle: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage, code, said = BAD[what]
    damage(bundle)
    before = snapshot(models)
    try:
        model = read_published(bundle, Wanted())
        model.weights(model.checkpoints["model"])
        got = "weights_do_not_fit"
    except ModelError as error:
        got = error.code
    exit_code, text = ran(capsys, "models", "import", bundle, "--name", "made", "--models", models)
    assert (got, exit_code) == (code, 5)
    assert said in text
    assert snapshot(models) == before
    assert not Path("called").exists()
