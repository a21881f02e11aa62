"""The commands of the deployment pages: each is parsed as written, and run if possible.

What needs an engine for containers is run by `make image-test`; docs/deployment.md says what was run nowhere.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.commands import app
from app.settings import ROOT
from tests.support.packages.model_cases import ran

PAGES = sorted((ROOT / "docs").glob("deployment*.md"))
# By test_holoscan_cli.py, by `make image-test`, or by hand
ELSEWHERE = {"monai-deploy", "docker", "kubectl", "debootstrap", "buildah", "container=$(buildah"}
DOCKERFILE = {"FROM", "COPY", "USER", "RUN"}


def blocks() -> Iterator[list[str]]:
    """The words of each indented command."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", "")
        for line in text.splitlines():
            if line.startswith("    "):
                yield shlex.split(line, comments=True)


def sentences() -> Iterator[list[str]]:
    """The words of each command of Osteon's inside a sentence."""
    for page in PAGES:
        for text in re.findall(r"`osteon ([^`|]+)`", page.read_text(encoding="utf-8")):
            yield re.sub(r"[\[\]]", "", text).split()


BLOCKS = [words for words in blocks() if words]
OSTEON = [*(words[1:] for words in BLOCKS if words[0] == "osteon"), *sentences()]
MAKE = [words[1:] for words in BLOCKS if words[0] == "make"]


def test_every_command_is_one_that_is_tried() -> None:
    known = {"osteon", "make", "cp", "cd"} | ELSEWHERE | DOCKERFILE
    assert {words[0] for words in BLOCKS} <= known
    assert len(OSTEON) > 12
    assert len(MAKE) > 4


@pytest.mark.parametrize("words", OSTEON, ids=" ".join)
def test_osteon_takes_it(words: list[str]) -> None:
    """Raises otherwise."""
    app.parse_args(words, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("words", MAKE, ids=" ".join)
def test_make_takes_it(words: list[str]) -> None:
    line = ["make", "--dry-run", *words]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_folders_and_files_are_there() -> None:
    here = ROOT
    for words in BLOCKS:
        if words[0] == "cd":
            here = ROOT / words[1]
            assert here.is_dir()
        elif words[0] == "cp":
            assert (here / words[1]).is_file()
            ignored = subprocess.run(["git", "-C", str(here), "check-ignore", "-q", words[2]], check=False)
            assert ignored.returncode == 0, "passwords must not be committed"


def test_those_that_need_neither_images_nor_a_container_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("OSTEON_NODE__DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    schema = (ROOT / "app.schema.json").read_bytes()
    places = {"FOLDER": str(tmp_path / "extracted"), "IMAGE": ".", "FILE": "app.yaml"}
    runnable = {"show", "validate", "extract", "config", "jobs list"}
    chosen = [words for words in OSTEON if {words[0], " ".join(words[:2])} & runnable]
    for words in chosen:
        code, said = ran(capfd, *(places.get(word, word) for word in words))
        assert code == 0, said
    assert {words[0] for words in chosen} == {word.split()[0] for word in runnable}
    assert (tmp_path / "extracted" / "models").is_dir()
    assert (ROOT / "app.schema.json").read_bytes() == schema
