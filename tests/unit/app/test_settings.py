"""Settings: arguments, then OSTEON_, HOLOSCAN_ and MONAI_ variables, then app.yaml."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.settings import ROOT, read_settings
from operators.errors import UsageError


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("OSTEON_", "HOLOSCAN_", "MONAI_")):
            monkeypatch.delenv(name)


def configured(monkeypatch: pytest.MonkeyPatch, folder: Path, content: str) -> None:
    path = folder / "app.yaml"
    path.write_text(content, encoding="utf-8")
    monkeypatch.setenv("HOLOSCAN_CONFIG_PATH", str(path))


def test_what_is_closer_to_the_user_wins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    configured(monkeypatch, tmp_path, "osteon: {input: from-yaml, threads: 3}")
    assert read_settings().input == Path("from-yaml")
    for name in ("MONAI_INPUTPATH", "HOLOSCAN_INPUT_PATH", "OSTEON_INPUT"):
        monkeypatch.setenv(name, name)
        assert read_settings().input == Path(name)
    assert read_settings(input=Path("argument")).input == Path("argument")
    assert read_settings().threads == 3


@pytest.mark.parametrize(
    ("field", "holoscan", "monai"),
    [
        ("output", "HOLOSCAN_OUTPUT_PATH", "MONAI_OUTPUTPATH"),
        ("models", "HOLOSCAN_MODEL_PATH", "MONAI_MODELPATH"),
    ],
)
def test_the_variables_of_both_versions_of_map_runners_are_read(
    monkeypatch: pytest.MonkeyPatch, field: str, holoscan: str, monai: str
) -> None:
    monkeypatch.setenv(monai, "/monai")
    assert getattr(read_settings(), field) == Path("/monai")
    monkeypatch.setenv(holoscan, "/holoscan")
    assert getattr(read_settings(), field) == Path("/holoscan")


def test_variables_that_belong_to_other_programs_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("INPUT", "OUTPUT", "MODELS", "DEVICE", "THREADS"):
        monkeypatch.setenv(name, "9")
    settings = read_settings()
    assert (settings.input, settings.output, settings.device, settings.threads) == (None, None, "auto", 0)


def test_none_means_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEON_DEVICE", "cpu")
    assert read_settings(device=None).device == "cpu"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("OSTEON_THREADS", "many", "setting threads: .*integer.* got 'many'"),
        ("OSTEON_THREADS", "-1", "setting threads: .*greater than or equal to 0.* got '-1'"),
        ("OSTEON_DEVICE", "abacus", "setting device: .*'cpu' or 'cuda'.* got 'abacus'"),
        ("HOLOSCAN_CONFIG_PATH", "/nowhere/app.yaml", "expected a configuration file .*/nowhere/app.yaml"),
    ],
)
def test_a_wrong_value_is_a_usage_error_that_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, text: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=text):
        read_settings()


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("osteon: {colour: red}", "setting colour: .*got 'red'"),
        ("osteon: {threads: x}", "setting threads: .*got 'x'"),
        ("osteon: [1]", "expected a configuration file with a section osteon"),
        ("osteon: [", "expected a configuration file with a section osteon"),
        ("- 1", "expected a configuration file with a section osteon"),
        ("", "expected a configuration file with a section osteon"),
    ],
)
def test_a_wrong_configuration_file_is_a_usage_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str, text: str
) -> None:
    configured(monkeypatch, tmp_path, content)
    with pytest.raises(UsageError, match=text) as caught:
        read_settings()
    assert "\n" not in str(caught.value)


def test_a_relative_models_folder_is_found_beside_the_application(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_settings().models == ROOT / "models"
    (tmp_path / "models").mkdir()
    assert read_settings().models == Path("models")


def test_the_shipped_configuration_file_holds_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = read_settings()
    monkeypatch.setattr("app.settings.ROOT", Path("/nowhere"))
    unconfigured = read_settings(models=shipped.models)
    assert unconfigured == shipped
