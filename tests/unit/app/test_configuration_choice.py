"""Precedence of configuration files: --config, the environment's, ./app.yaml, the application's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from app.configuration_file import line_of
from app.settings import ROOT, file_in_use, read_settings
from operators.errors import UsageError
from tests.support.packages.model_cases import ran


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty working folder, and nothing of Osteon's in the environment."""
    for name in os.environ:
        if name.startswith(("OSTEON_", "HOLOSCAN_", "MONAI_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(path: Path, threads: int) -> Path:
    path.write_text(f"osteon:\n  threads: {threads}\n", encoding="utf-8")
    return path


def test_the_nearest_file_counts(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    assert file_in_use() == ROOT / "app.yaml"
    written(here / "app.yaml", 1)
    assert read_settings().threads == 1
    for number, name in enumerate(("HOLOSCAN_CONFIG_PATH", "OSTEON_CONFIG"), start=2):
        monkeypatch.setenv(name, str(written(here / f"{number}.yaml", number)))
        assert read_settings().threads == number
    assert read_settings(written(here / "given.yaml", 4)).threads == 4
    assert read_settings(written(here / "given.yaml", 5), threads=6).threads == 6
    monkeypatch.setenv("OSTEON_THREADS", "7")
    assert read_settings(here / "given.yaml").threads == 7


@pytest.mark.parametrize("content", ["spring: {name: x}", "- osteon", "", "a: [", "\0"])
def test_another_programs_file_in_the_working_folder_is_left_alone(here: Path, content: str) -> None:
    (here / "app.yaml").write_text(content, encoding="utf-8")
    assert file_in_use() == ROOT / "app.yaml"
    assert read_settings().threads == 0


def test_a_folder_of_that_name_is_left_alone(here: Path) -> None:
    (here / "app.yaml").mkdir()
    assert file_in_use() == ROOT / "app.yaml"


@pytest.mark.parametrize("name", ["--config", "OSTEON_CONFIG", "HOLOSCAN_CONFIG_PATH"])
@pytest.mark.parametrize(("path", "got"), [("none.yaml", "does not exist"), (".", "is a folder")])
def test_a_named_file_that_is_none_is_said(
    monkeypatch: pytest.MonkeyPatch, name: str, path: str, got: str
) -> None:
    if name != "--config":
        monkeypatch.setenv(name, path)
    with pytest.raises(UsageError, match=f"expected a configuration file at {name}, got {path}, which {got}"):
        read_settings(Path(path) if name == "--config" else None)


def test_a_wrong_setting_is_said_with_its_file_and_line(monkeypatch: pytest.MonkeyPatch, here: Path) -> None:
    peers = "    peers:\n      - {name: pacs, ae_title: PACS}\n"
    peers += "      - {name: ct1, ae_title: CT1,\n        port: 0}\n"
    (here / "app.yaml").write_text(f"osteon:\n  node:\n{peers}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"^app\.yaml, line 6: setting node\.peers\.1\.port: .* got 0$"):
        read_settings()
    written(here / "app.yaml", 3)
    monkeypatch.setenv("OSTEON_THREADS", "many")
    with pytest.raises(UsageError, match=r"^setting threads: .*got 'many'$"):
        read_settings()


@pytest.mark.parametrize("content", ["osteon: [1]", "osteon: [", "osteon:\n\t- x", "osteon: 5"])
def test_a_file_that_is_broken_is_said_in_one_line_with_its_name(here: Path, content: str) -> None:
    (here / "app.yaml").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError, match=r"with a section osteon at app\.yaml, got: ") as caught:
        read_settings()
    assert "\n" not in str(caught.value)


def test_a_variable_that_is_no_json_is_not_blamed_on_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTEON_NODE__PEERS", "pacs")
    with pytest.raises(UsageError, match="expected JSON in OSTEON_ variables that hold lists") as caught:
        read_settings()
    assert "app.yaml" not in str(caught.value)


def test_a_working_folder_that_is_gone_does_no_harm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert file_in_use() == ROOT / "app.yaml"


def test_the_check_says_which_file_was_read(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "config", "check") == (0, f"{ROOT / 'app.yaml'}: no faults\n")
    written(here / "app.yaml", 1)
    assert ran(capsys, "config", "check") == (0, f"{here / 'app.yaml'}: no faults\n")
    code, said = ran(capsys, "config", "check", "--config", written(here / "b.yaml", -1))
    assert (code, said.splitlines()[0]) == (2, f"{here / 'b.yaml'}: 1 fault")


def test_lines_are_those_of_the_entry(here: Path) -> None:
    path = here / "x.yaml"
    path.write_text("a:\n  b:\n    - 1\n    - c: 2\n      d: 3\n", encoding="utf-8")
    places = (("a",), ("a", "b"), ("a", "b", 1), ("a", "b", 1, "d"), ("a", "x"), ("a", "b", 9), ())
    assert [line_of(path, place) for place in places] == [1, 2, 4, 5, None, None, None]
