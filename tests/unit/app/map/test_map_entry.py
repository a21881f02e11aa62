"""The image's entry point: holoscan's words, the application's exit code, its time limit, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app import platform_layout
from app.map import entry
from app.map.supervision import EXIT_TIMED_OUT, run_supervised
from app.settings import ROOT
from operators.errors import OutputError, UsageError


@pytest.fixture
def image(tmp_path: Path) -> dict[str, str]:
    """The variables of an image, its files under a folder; the application ends with 5."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text("raise SystemExit(5)")
    (tmp_path / "models" / "bones").mkdir(parents=True)
    (tmp_path / "models" / "bones" / "package.toml").write_text("name = 'bones'")
    (tmp_path / "app.yaml").write_text("osteon: {}")
    command = [sys.executable, str(tmp_path / "app")]
    manifest = {"command": json.dumps(command), "timeout": 0}
    (tmp_path / "app.json").write_text(json.dumps(manifest))
    (tmp_path / "pkg.json").write_text(json.dumps({"models": []}))
    return {
        "HOLOSCAN_APPLICATION": str(tmp_path / "app"),
        "HOLOSCAN_MODEL_PATH": str(tmp_path / "models"),
        "HOLOSCAN_APP_MANIFEST_PATH": str(tmp_path / "app.json"),
        "HOLOSCAN_PKG_MANIFEST_PATH": str(tmp_path / "pkg.json"),
        "HOLOSCAN_CONFIG_PATH": str(tmp_path / "app.yaml"),
        "HOLOSCAN_DOCS_PATH": str(tmp_path / "docs"),
    }


def application(image: dict[str, str], code: str) -> None:
    (Path(image["HOLOSCAN_APPLICATION"]) / "__main__.py").write_text(code)


@pytest.mark.parametrize("code", range(7))
def test_the_applications_exit_code_is_that_of_the_container(image: dict[str, str], code: int) -> None:
    application(image, f"raise SystemExit({code})")
    assert entry.enter([], image) == code


def test_arguments_that_are_no_command_go_to_the_application(
    image: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    application(image, "import sys; print(sys.argv[1:])")
    assert entry.enter(["-i", "a b", "-l", "DEBUG"], image) == 0
    assert "['-i', 'a b', '-l', 'DEBUG']" in capfd.readouterr().out


def test_a_run_over_its_time_limit_ends_with_124(image: dict[str, str]) -> None:
    application(image, "import time; time.sleep(600)")
    assert entry.enter([], image | {"HOLOSCAN_TIMEOUT": "0.5"}) == EXIT_TIMED_OUT


@pytest.mark.parametrize("wrong", ["soon", "-1"])
def test_a_time_limit_that_is_none_is_refused(image: dict[str, str], wrong: str) -> None:
    with pytest.raises(UsageError, match="expected HOLOSCAN_TIMEOUT in seconds"):
        entry.enter([], image | {"HOLOSCAN_TIMEOUT": wrong})


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_an_application_that_a_signal_ends_gives_128_and_its_number(number: signal.Signals) -> None:
    code = f"import os; os.kill(os.getpid(), {int(number)})"
    assert run_supervised([sys.executable, "-c", code], os.environ, 0) == 128 + number


def test_sigterm_reaches_the_application(image: dict[str, str], tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    application(
        image,
        f"import pathlib, signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(6))\n"
        f"pathlib.Path({str(ready)!r}).touch()\nsignal.pause()",
    )
    process = subprocess.Popen([sys.executable, "-m", "app.map.entry"], env={**os.environ, **image}, cwd=ROOT)
    while not ready.exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.terminate()
    assert process.wait(600) == 6


def test_show_prints_the_manifest_that_is_asked_for(
    image: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert entry.enter(["show", "pkg"], image) == 0
    assert "app.json" not in (said := capsys.readouterr().out)
    assert "pkg.json" in said
    assert entry.enter(["show"], image) == 0
    assert "app.json" in capsys.readouterr().out


def test_env_and_help_say_what_there_is(image: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.enter(["env"], image) == 0
    assert f"HOLOSCAN_MODEL_PATH={image['HOLOSCAN_MODEL_PATH']}" in capsys.readouterr().out
    assert entry.enter(["help"], image) == 0
    assert "124 time limit" in capsys.readouterr().out


def test_extract_copies_what_has_a_folder_else_all(
    image: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "old.json"
    old.write_text("{}")
    monkeypatch.setattr(platform_layout, "APP_MANIFEST_0", old)
    monkeypatch.setattr(platform_layout, "PKG_MANIFEST_0", old)
    monkeypatch.setattr(platform_layout, "EXTRACTED", {old: "config/monai/app.json"})
    some, everything = tmp_path / "some", tmp_path / "everything"
    (some / "models").mkdir(parents=True)
    everything.mkdir()
    assert entry.extract(image, some) == 0
    assert [path.name for path in some.iterdir()] == ["models"]
    assert (some / "models" / "bones" / "package.toml").is_file()
    assert entry.extract(image, everything) == 0
    assert sorted(path.name for path in everything.iterdir()) == ["app", "config", "docs", "models"]
    configuration = sorted(path.name for path in (everything / "config").iterdir())
    assert configuration == ["app.json", "app.yaml", "monai", "pkg.json"]


def test_extract_without_its_folder_says_so(image: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected a folder mounted at"):
        entry.extract(image, tmp_path / "none")


def test_extract_to_what_is_no_folder_of_its_own_says_so(image: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export" / "app").write_text("in the way")
    with pytest.raises(OutputError, match="expected a folder that can be written"):
        entry.extract(image, tmp_path / "export")


def test_a_run_is_healthy_and_a_node_that_does_not_answer_is_not(
    image: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for words, code in ((b"/var/holoscan/tools\0", 0), (b"/var/holoscan/tools\0serve\0", 1)):
        (tmp_path / "cmdline").write_bytes(words)
        monkeypatch.setattr(entry, "INIT_COMMAND", tmp_path / "cmdline")
        # Port 1 is reserved (RFC 1078); nothing answers there
        assert entry.enter(["health"], image | {"OSTEON_NODE__HTTP_PORT": "1"}) == code


def test_a_missing_manifest_is_named_without_a_traceback(tmp_path: Path) -> None:
    environment = os.environ | {"HOLOSCAN_APP_MANIFEST_PATH": str(tmp_path / "none.json")}
    done = subprocess.run(
        [sys.executable, "-m", "app.map.entry"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)
    assert "expected a manifest at" in done.stderr
