"""Unsupported bundles: refused by name, nothing executed, nothing installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from operators.errors import UsageError
from operators.importing.formats import read_published
from operators.importing.published import PublishedBundle, Wanted
from operators.networks.monai_bundle.bundle_output import keep_largest
from operators.networks.monai_bundle.bundle_steps import STEPS
from operators.package_files.package_reader import read_package
from operators.packages.monai_bundle import STEP_ARGUMENTS
from tests.support.packages.model_cases import changed, ran
from tests.support.packages.synthetic_bundles import BUNDLES, write_bundle
from tests.support.packages.synthetic_packages import write_package


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle whose labels are known."""
    return write_bundle(BUNDLES[0], tmp_path / "bundle")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A models folder with one package in it."""
    write_package(tmp_path / "models" / "bones")
    return tmp_path / "models"


def inference(folder: Path) -> Path:
    return folder / "configs" / "inference.json"


def with_last(change: Callable[[list[Any]], object]) -> Callable[[Path], None]:
    return lambda folder: changed(inference(folder), lambda c: change(c["postprocessing"]["transforms"]))


def test_a_bundle_is_imported_by_one_command(
    bundle: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ran(capsys, "models", "import", bundle, "--models", models)[0] == 0
    assert read_package(models / "made_unet" / "package.toml").name == "made_unet"
    code, text = ran(capsys, "models", "verify", "made_unet", "--models", models)
    assert (code, "1 networks, 2 labels" in text) == (0, True)
    shown = json.loads(ran(capsys, "models", "show", "made_unet", "--models", models, "--json")[1])
    assert [row["meaning"] for row in shown["labels"]] == ["Sacrum", "Left hip bone"]


def test_what_a_bundle_does_not_have_is_a_usage_error(
    bundle: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments in (("--fold", "0"), ("--previous", bundle), ("--orientation", "LPS")):
        assert ran(capsys, "models", "import", bundle, *arguments, "--models", models)[0] == 2
    with pytest.raises(UsageError):
        read_published(bundle, Wanted(folds=("0",)))


def test_the_largest_component_of_each_label_is_kept_where_the_bundle_says_so(bundle: Path) -> None:
    step = {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "connectivity": 1}
    with_last(lambda rows: rows.insert(3, step))(bundle)
    model = read_published(bundle, Wanted())
    assert isinstance(model, PublishedBundle)
    assert (model.outcome.largest, model.outcome.connected) == ((1, 2), 1)
    # The second example of MONAI's documentation: values by themselves, joined by faces
    labels = np.array([[[0, 0, 1, 0, 0], [0, 2, 1, 1, 1], [1, 2, 1, 0, 0], [1, 2, 0, 1, 0], [2, 2, 0, 0, 2]]])
    kept = labels.astype(np.uint8)
    for value in model.outcome.largest:
        keep_largest(kept, value, model.outcome.connected)
    expected = [[0, 0, 1, 0, 0], [0, 2, 1, 1, 1], [0, 2, 1, 0, 0], [0, 2, 0, 0, 0], [2, 2, 0, 0, 0]]
    assert kept[0].tolist() == expected


def test_every_step_that_a_package_may_name_is_there() -> None:
    assert set(STEPS) == set(STEP_ARGUMENTS)
