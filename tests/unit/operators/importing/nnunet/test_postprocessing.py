"""nnU-Net's post-processing is read, written into the package, and applied as in the originals."""

from __future__ import annotations

import json
import pickle
import sys
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from operators.errors import ModelError
from operators.geometry.components import Largest, keep_largest
from operators.importing.formats import read_published
from operators.importing.install import NewPackage, install
from operators.importing.label_tables import label_rows, named_table
from operators.importing.published import PublishedModel, Wanted
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import read_package
from operators.packages.plans import NnUNetPackage
from operators.pipelines.several import segment
from tests.slow.operators.importing.test_published_models import REFERENCES, STORED, TABLE, axial
from tests.support.packages.synthetic_nnunet import CASES, made_image, write_v2
from tests.support.packages.synthetic_nnunet_v1 import V1_CASES, write_v1

KEPT = np.load(STORED / "largest.npz")
VOXEL_MM3 = 2.0 * 1.1 * 1.0
# tests/largest_references.py, as files say it, and in Osteon's words
V1: dict[str, tuple[dict[str, Any], list[Largest]]] = {
    "one": ({"for_which_classes": [1]}, [Largest((1,), 1)]),
    "each": ({"for_which_classes": [1, 2, 3]}, [Largest((value,), 1) for value in (1, 2, 3)]),
    "every": (
        {"for_which_classes": None, "min_valid_object_sizes": "None"},
        [Largest((value,), 1) for value in (1, 2, 3)],
    ),
    "joined_then_each": (
        {"for_which_classes": [[1, 2], 3, 1]},
        [Largest((1, 2), 1), Largest((3,), 1), Largest((1,), 1)],
    ),
    "large_ones_stay": (
        {"for_which_classes": [1, [2, 3]], "min_valid_object_sizes": "{1: 40.0, (2, 3): 100.0}"},
        [Largest((1,), 1, 40.0), Largest((2, 3), 1, 100.0)],
    ),
}
V2: dict[str, tuple[list[Any], list[Largest]]] = {
    "one": ([1], [Largest((1,), 3)]),
    "joined": ([[1, 2, 3]], [Largest((1, 2, 3), 3)]),
    "joined_then_each": ([[1, 2, 3], 1, 2], [Largest((1, 2, 3), 3), Largest((1,), 3), Largest((2,), 3)]),
    "regions": ([[(1, 2), 3], (2, 3)], [Largest((1, 2, 3), 3), Largest((2, 3), 3)]),
}
NAME = "remove_all_but_largest_component_from_segmentation"
MODULE = "nnunetv2.postprocessing.remove_connected_components"


@pytest.fixture
def v1(tmp_path: Path) -> Path:
    """A trainer's folder of version 1, which writes two labels."""
    return write_v1(V1_CASES[0], tmp_path / "v1")


@pytest.fixture
def v2(tmp_path: Path) -> Path:
    """The same of version 2."""
    return write_v2(CASES[0], tmp_path / "v2")


def rules(folder: Path) -> tuple[Largest, ...]:
    model = read_published(folder, Wanted())
    assert isinstance(model, PublishedModel)
    return model.largest


def pickled(steps: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, name: str = NAME) -> bytes:
    """postprocessing.pkl as version 2 writes it, where its module is; then that is gone."""
    module = ModuleType(MODULE)

    def step() -> None: ...

    step.__module__, step.__qualname__, step.__name__ = MODULE, name, name
    setattr(module, name, step)
    for parent in ("nnunetv2", "nnunetv2.postprocessing"):
        monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    monkeypatch.setitem(sys.modules, MODULE, module)
    content = pickle.dumps(([step] * len(steps), steps))
    monkeypatch.undo()
    return content


@pytest.mark.parametrize("name", [f"v1.{name}" for name in V1] + [f"v2.{name}" for name in V2])
def test_what_is_kept_is_what_the_original_keeps(name: str) -> None:
    version, _, case = name.partition(".")
    steps = (V1 if version == "v1" else V2)[case][1]
    labels = KEPT["labels"].copy()
    for rule in steps:
        keep_largest(labels, rule, VOXEL_MM3)
    np.testing.assert_array_equal(labels, KEPT[name])


def test_labels_that_are_not_there_change_nothing() -> None:
    labels = np.zeros((4, 5, 6), np.uint8)
    keep_largest(labels, Largest((1, 2), 3), 1.0)
    assert not labels.any()


@pytest.mark.parametrize("name", ["one", "joined_then_each"])
def test_the_file_of_version_1_is_read(name: str, v1: Path) -> None:
    given, expected = V1[name]
    known = [rule for rule in expected if set(rule.values) <= {1, 2}]
    classes = [each for each in given["for_which_classes"] if each != 3]
    table = {**given, "for_which_classes": classes, "dc_per_class_raw": {}}
    (v1 / "postprocessing.json").write_text(json.dumps(table))
    assert rules(v1) == tuple(known)


def test_sizes_and_every_label_of_version_1_are_read(v1: Path) -> None:
    path = v1 / "postprocessing.json"
    path.write_text(json.dumps({"for_which_classes": None}))
    assert rules(v1) == (Largest((1,), 1), Largest((2,), 1))
    sizes = "{1: 40.0, (1, 2): 100.5}"
    path.write_text(json.dumps({"for_which_classes": [[1, 2], 1], "min_valid_object_sizes": sizes}))
    assert rules(v1) == (Largest((1, 2), 1, 100.5), Largest((1,), 1, 40.0))


@pytest.mark.parametrize("place", [".", "crossval_results_folds_0"])
@pytest.mark.parametrize("as_table", [False, True])
def test_both_files_of_version_2_are_read(
    place: str, as_table: bool, v2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = v2 / place
    folder.mkdir(exist_ok=True)
    steps = [{"labels_or_regions": each} for each in ([1, 2], (1, 2), 2)]
    if as_table:
        table = {"postprocessing_fns": [NAME] * 3, "postprocessing_kwargs": steps}
        (folder / "postprocessing.json").write_text(json.dumps(table))
    else:
        (folder / "postprocessing.pkl").write_bytes(pickled(steps, monkeypatch))
    assert rules(v2) == (Largest((1, 2), 3), Largest((1, 2), 3), Largest((2,), 3))


def test_what_was_found_best_for_other_folds_is_not_taken(v2: Path) -> None:
    folder = v2 / "crossval_results_folds_0_1"
    folder.mkdir()
    table = {"postprocessing_fns": [NAME], "postprocessing_kwargs": [{"labels_or_regions": 1}]}
    (folder / "postprocessing.json").write_text(json.dumps(table))
    assert rules(v2) == ()


def test_the_package_says_it_and_its_labels_are_the_originals_so_treated(v1: Path, tmp_path: Path) -> None:
    (v1 / "postprocessing.json").write_text(
        json.dumps({"for_which_classes": [[1, 2], 2], "min_valid_object_sizes": "{(1, 2): 400.0, 2: 60.0}"})
    )
    (tmp_path / "table.toml").write_text(TABLE)
    model = read_published(v1, Wanted())
    labels = label_rows(model.values, named_table(str(tmp_path / "table.toml")), by_value=True)
    path = install(model, NewPackage("made", "Made", labels[1:], "LPS"), tmp_path / "models") / "package.toml"
    package = read_package(path)
    assert isinstance(package, NnUNetPackage)
    assert package.stages[0].largest == (Largest((1, 2), 1, 400.0), Largest((2,), 1, 60.0))
    volume = axial(V1_CASES[0], made_image())
    result = segment(volume, [package], Networks(Device("torch", threads=1)), lambda *_: None)
    expected = REFERENCES["v1_plain.labels"].copy()
    for rule in package.stages[0].largest:
        keep_largest(expected, rule, VOXEL_MM3)
    # Only label 2 is delivered, but its components were those of both
    np.testing.assert_array_equal(result.label_map.labels, np.where(expected == 2, 2, 0).transpose(2, 1, 0))
    assert result.segments[0].volume_ml == pytest.approx((expected == 2).sum() * VOXEL_MM3 / 1000)
    assert (REFERENCES["v1_plain.labels"] == 2).sum() > (expected == 2).sum() > 0


def test_an_endless_size_is_written_and_read(v1: Path, tmp_path: Path) -> None:
    (v1 / "postprocessing.json").write_text(json.dumps({"for_which_classes": [1]}))
    model = read_published(v1, Wanted())
    rows = label_rows(model.values, named_table("ctpelvic1k"), by_value=True)
    path = install(model, NewPackage("made", "Made", rows, "LPS"), tmp_path / "models") / "package.toml"
    package = read_package(path)
    assert isinstance(package, NnUNetPackage)
    assert package.stages[0].largest == (Largest((1,), 1, inf),)
    path.write_text(path.read_text().replace("connected = 1", "connected = 4"))
    with pytest.raises(ModelError, match=r"largest.0.connected: expected 3 or less, got 4"):
        read_package(path)


BAD_V1 = {
    "no JSON": "{",
    "no classes": "{}",
    "a label that the network does not write": json.dumps({"for_which_classes": [3]}),
    "the background": json.dumps({"for_which_classes": [0]}),
    "a size that is missing": json.dumps({"for_which_classes": [1], "min_valid_object_sizes": "{2: 1.0}"}),
    "sizes that are code": json.dumps({"for_which_classes": [1], "min_valid_object_sizes": "exit()"}),
    "endless sizes": json.dumps({"for_which_classes": [1], "min_valid_object_sizes": "(" * 30_000}),
}


@pytest.mark.parametrize("what", BAD_V1)
def test_a_bad_file_of_version_1_is_refused(what: str, v1: Path) -> None:
    (v1 / "postprocessing.json").write_text(BAD_V1[what])
    with pytest.raises(ModelError) as error:
        rules(v1)
    assert error.value.code == "plans_unreadable"
    assert "postprocessing.json" in str(error.value)


def test_a_pickle_of_version_2_that_names_or_calls_anything_else_is_refused(
    v2: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = v2 / "postprocessing.pkl"
    step = {"labels_or_regions": 1}
    called = pickle.dumps(1)[:2] + f"c{MODULE}\n{NAME}\nK\x01\x85R.".encode("latin1")
    bad = {
        "pickle_forbidden": pickled([step], monkeypatch, name="another_step"),
        "pickle_unreadable": called,
        "preprocessing_unsupported": pickled([{**step, "connectivity": 1}], monkeypatch),
        "plans_unreadable": pickled([{"labels_or_regions": 7}], monkeypatch),
    }
    for code, content in bad.items():
        path.write_bytes(content)
        with pytest.raises(ModelError) as error:
            rules(v2)
        assert error.value.code == code


def test_a_step_of_version_2_that_is_not_known_is_refused(v2: Path) -> None:
    table = {"postprocessing_fns": ["fill_holes"], "postprocessing_kwargs": [{"labels_or_regions": 1}]}
    (v2 / "postprocessing.json").write_text(json.dumps(table))
    with pytest.raises(ModelError) as error:
        rules(v2)
    assert (error.value.code, "fill_holes" in str(error.value)) == ("preprocessing_unsupported", True)


def test_in_a_cascade_only_version_1_treats_the_stage_before(tmp_path: Path) -> None:
    cascade = next(case for case in V1_CASES if case.name == "v1_cascade")
    folder = write_v1(cascade, tmp_path / "v1")
    low = next((tmp_path / "v1" / "3d_lowres").glob("*/*"))
    (low / "postprocessing.json").write_text(json.dumps({"for_which_classes": [2]}))
    model = read_published(folder, Wanted())
    assert isinstance(model, PublishedModel)
    assert model.previous
    assert (model.largest, model.previous.largest) == ((), (Largest((2,), 1),))
    newer = next(case for case in CASES if case.name == "cascade")
    folder = write_v2(newer, tmp_path / "v2")
    table = {"postprocessing_fns": [NAME], "postprocessing_kwargs": [{"labels_or_regions": 1}]}
    for place in (folder, tmp_path / "cascade_low"):
        (place / "postprocessing.json").write_text(json.dumps(table))
    model = read_published(folder, Wanted())
    assert isinstance(model, PublishedModel)
    assert model.previous
    assert (model.largest, model.previous.largest) == ((Largest((1,), 3),), ())
