"""What each platform passes to a container, and what of it takes effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.map.mercure import result_of, write_result
from app.platform_conventions import platform_settings
from app.platform_layout import ENVIRONMENT, ENVIRONMENT_0
from operators.errors import UsageError

IMAGE = ENVIRONMENT | ENVIRONMENT_0


def folders(**given: str) -> tuple[str, str, str]:
    found = platform_settings(IMAGE | given)
    return found["input"], found["output"], found["models"]


def test_an_image_that_is_told_nothing_takes_its_own_folders() -> None:
    assert folders() == ("/var/holoscan/input", "/var/holoscan/output", "/opt/holoscan/models")


def test_outside_an_image_nothing_is_told() -> None:
    assert platform_settings({"PATH": "/bin"}) == {}


@pytest.mark.parametrize(
    "given",
    [
        {"HOLOSCAN_INPUT_PATH": "/in", "HOLOSCAN_OUTPUT_PATH": "/out"},
        {"MONAI_INPUTPATH": "/in", "MONAI_OUTPUTPATH": "/out"},
        {"MERCURE_IN_DIR": "/in", "MERCURE_OUT_DIR": "/out"},
        {"OSTEON_INPUT": "/in", "OSTEON_OUTPUT": "/out", "HOLOSCAN_INPUT_PATH": "/other"},
    ],
    ids=["version 1", "version 0", "mercure", "Osteon's own"],
)
def test_what_differs_from_the_images_own_folders_counts(given: dict[str, str]) -> None:
    assert folders(**given) == ("/in", "/out", "/opt/holoscan/models")


def test_monai_deploy_express_names_the_folders_of_version_0_with_a_stroke_at_their_end() -> None:
    """They are links to those of version 1 in the image."""
    paths = {"MONAI_INPUTPATH": "/var/monai/input/", "MONAI_OUTPUTPATH": "/var/monai/output/"}
    assert folders(**paths)[:2] == ("/var/holoscan/input", "/var/holoscan/output")


def module(folder: Path, task: Any) -> dict[str, Any]:
    (folder / "task.json").write_text(task if isinstance(task, str) else json.dumps(task), encoding="utf-8")
    return platform_settings({"MERCURE_IN_DIR": str(folder)})


def test_settings_of_a_mercure_module_are_taken(tmp_path: Path) -> None:
    found = module(tmp_path, {"id": "1", "process": {"settings": {"mode": "fast", "files": ["stl"]}}})
    assert (found["mode"], found["files"], found["input"]) == ("fast", ["stl"], str(tmp_path))


@pytest.mark.parametrize(
    "task", [{"id": "1"}, {"process": None}, {"process": {}}, {"process": {"settings": None}}]
)
def test_a_task_without_settings_has_none(tmp_path: Path, task: dict[str, Any]) -> None:
    assert module(tmp_path, task) == {"input": str(tmp_path)}


@pytest.mark.parametrize("task", ["{", "[]", {"process": {"settings": 3}}, {"process": ["a"]}])
def test_a_task_that_cannot_be_read_is_refused(tmp_path: Path, task: Any) -> None:
    with pytest.raises(UsageError, match="expected a task of mercure"):
        module(tmp_path, task)


@pytest.mark.parametrize("name", ["models", "output", "node", "colour"])
def test_a_module_cannot_set_what_is_for_whoever_runs_the_container(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=f"expected module settings of .*, got {name}"):
        module(tmp_path, {"process": {"settings": {name: "x"}}})


def report(*series: dict[str, Any]) -> dict[str, Any]:
    return {"notice": "Not for diagnosis.", "exit_code": 0, "series": list(series)}


def segmented(*fragments: int) -> dict[str, Any]:
    segments = [{"fragment": fragment} for fragment in fragments]
    return {"result": "segmentation.dcm", "summary": ["Two bones."], "segments": segments}


REFUSED = {"result": None, "code": "other_modality", "sentence": "expected CT, got MR"}


@pytest.mark.parametrize(("fragments", "asked"), [((0, 0), False), ((1, 2), True)])
def test_mercure_is_asked_to_notify_of_bones_in_pieces(fragments: tuple[int, ...], asked: bool) -> None:
    said = result_of(report(segmented(*fragments), REFUSED))["__mercure_notification"]
    assert said["requested"] is asked
    assert said["text"] == "Not for diagnosis.\nTwo bones.\nother_modality: expected CT, got MR"


def test_without_a_report_mercure_is_told_nothing(tmp_path: Path) -> None:
    write_result(tmp_path)
    assert list(tmp_path.iterdir()) == []
