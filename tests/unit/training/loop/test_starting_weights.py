"""A training starts from the weights of a network with other classes and conditioning channels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from operators.networks.architectures.architecture_table import build
from training.loop.starting_weights import Channels, channels_of, starting_weights
from training.recipe import NetworkRecipe

CPU = torch.device("cpu")
OLD, NEW = ("background", "hip", "femur"), ("background", "femur", "rib", "hip")


def network(classes: tuple[str, ...]) -> torch.nn.Module:
    channels = {"inputs": len(classes), "outputs": len(classes)}
    return build(architecture="subpixel_unet", dimensions=3, filters=(4, 8), **channels)


def recipe(classes: tuple[str, ...]) -> NetworkRecipe:
    return NetworkRecipe(
        name="fine",
        kind="anatomy",
        classes=classes,
        guide=classes[1:],
        spacing_mm=1.5,
        patch=(8, 8, 8),
        window_hu=(-200.0, 1300.0),
        architecture="subpixel_unet",
        filters=(4, 8),
        steps=1,
        learning_rate=1e-3,
    )


@pytest.fixture
def start(tmp_path: Path) -> Path:
    path = tmp_path / "fine.safetensors"
    save_file(network(OLD).state_dict(), path)
    rows = f'[networks.fine]\nweights = "fine.safetensors"\nclasses = {list(OLD)}\nguide = {list(OLD[1:])}\n'
    (tmp_path / "package.toml").write_text(rows)
    return path


def test_shared_classes_and_channels_keep_their_weights(start: Path) -> None:
    torch.manual_seed(1)
    old, new = network(OLD), network(NEW)
    save_file(old.state_dict(), start)
    new.load_state_dict(starting_weights(start, recipe(NEW), new.state_dict(), CPU))
    image = torch.rand(1, 1, 8, 8, 8)
    hip, femur, rib = torch.rand(1, 1, 8, 8, 8), torch.rand(1, 1, 8, 8, 8), torch.zeros(1, 1, 8, 8, 8)
    with torch.no_grad():
        was = old(torch.cat([image, hip, femur], dim=1))
        now = new(torch.cat([image, femur, rib, hip], dim=1))
    for name in OLD:
        torch.testing.assert_close(now[:, NEW.index(name)], was[:, OLD.index(name)])


def test_the_report_beside_the_weights_names_the_channels_first(start: Path) -> None:
    assert channels_of(start, CPU) == Channels(("image", *OLD[1:]), OLD)
    start.with_suffix(".training.json").write_text(
        json.dumps({"classes": ["background", "rib"], "guide": []})
    )
    assert channels_of(start, CPU) == Channels(("image",), ("background", "rib"))


def test_weights_whose_channels_nobody_names_start_where_the_shapes_are_the_same(start: Path) -> None:
    start.with_name("package.toml").unlink()
    fresh = network(NEW).state_dict()
    made = starting_weights(start, recipe(NEW), fresh, CPU)
    same = "unet.encoder.stages.1.0.convs.0.conv.weight"
    assert torch.equal(made[same], load_file(start)[same])
    assert torch.equal(made["unet.decoder.head.weight"], fresh["unet.decoder.head.weight"])
