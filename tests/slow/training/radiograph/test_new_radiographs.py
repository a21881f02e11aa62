"""From pictures with outlines to an installed package of radiographs, by two commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from app.cli.command_line import execute
from app.cli.commands import app
from operators.geometry.projection import Projection
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.pipelines.several import segment
from tests.support.radiographs import small_batches
from tests.support.radiographs.small_batches import with_small_batches
from tests.support.radiographs.synthetic_radiographs import BOX, SHAPE, distinct_radiograph
from training.radiograph.loop.schedule import RECIPES
from training.radiograph.package_installation import package_in

NAME = "wrists"


def osteon(*words: object) -> object:
    with pytest.raises(SystemExit) as ended:
        execute(app, list(map(str, words)))
    return ended.value.code


def write_yolo(folder: Path) -> Path:
    """Pictures of two splits; those with a label file have a fracture in BOX."""
    left, top, right, bottom = BOX
    rows, columns = SHAPE
    sides = (
        (left + right) / 2 / columns,
        (top + bottom) / 2 / rows,
        (right - left) / columns,
        (bottom - top) / rows,
    )
    (folder / "labels").mkdir(parents=True)
    for number in range(0, 125, 5):
        image = distinct_radiograph(number, number // 5 % 2 == 1)
        split = folder / "images" / ("valid" if number >= 60 else "train")
        split.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.pixels).save(split / f"x{number}.png")
        if image.fractured:
            (folder / "labels" / f"x{number}.txt").write_text(f"0 {' '.join(map(str, sides))}\n")
    return folder


def test_outlines_become_a_package_that_says_what_its_data_do_not_tell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.set_num_threads(1)
    monkeypatch.setitem(RECIPES, small_batches.NAME, with_small_batches(RECIPES[small_batches.NAME]))
    assert osteon("data", "import", write_yolo(tmp_path / "source"), "--to", tmp_path / "dataset") == 0
    places = ("--data", tmp_path / "dataset", "--runs", tmp_path / "runs", "--models", tmp_path / "models")
    train = ("train", "--new", NAME, *places, "--workers", "0", "--steps", "2")
    assert osteon(*train, "--label", "a=femur") == 2
    assert "expected no --start-from, --label or --ensemble for radiographs" in capsys.readouterr().err
    assert osteon(*train, "--plan-only") == 0
    assert 'subjects = "radiograph"' in (tmp_path / "runs" / NAME / "training.toml").read_text(
        encoding="utf-8"
    )
    assert not (tmp_path / "models").exists()
    assert osteon(*train) == 0
    told = capsys.readouterr().out
    assert "recognises: no body part, no view, no metal: the data set tells none" in told
    assert told.endswith(f"installed in {tmp_path / 'models' / NAME}\n")
    folder = tmp_path / "models" / NAME
    package = package_in(folder)
    assert package.decision.fitted_on == "13 images that training did not see"
    assert (package.body_parts, package.views, package.accepts.body_parts) == ({}, (), ())
    assert all(name.startswith("unknown_") for name in package.attributes[:-2])
    assert package.attributes[-2:] == ("upside_down", "mirrored")
    assert "Not for clinical use" in (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert osteon("models", "verify", NAME, "--models", tmp_path / "models") == 0
    picture = distinct_radiograph(995, True).pixels.astype(np.float32) / np.float32(255)
    made = segment(Projection(picture, body_part="CHEST"), [package], Networks(Device()), lambda *_: None)
    assert made.answer is not None
    assert (made.answer.body_part.name, made.answer.view.name, made.answer.hardware) == (
        "other",
        "unknown",
        0.0,
    )
    assert not {"other_body_part", "body_part_contradiction"} & {flag.code for flag in made.flags}
    assert osteon(*train) == 2
    assert f"expected an unused name, got {NAME}" in capsys.readouterr().err
