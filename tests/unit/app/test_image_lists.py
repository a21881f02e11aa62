"""The image's packages at build time: fewer files, and a list of Debian's packages."""

from __future__ import annotations

import ctypes
import json
import runpy
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.settings import ROOT

STATUS = """Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36-9+deb12u10
Description: GNU C Library
 of several lines

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1

Package: base-files
Status: install ok installed
Architecture: amd64
Version: 12.4+deb12u11
"""


def made(name: str) -> dict[str, Callable[..., Any]]:
    """The functions of a program of the image's build."""
    return runpy.run_path(str(ROOT / "deploy" / "image" / name))


def test_debians_packages_become_components_that_scanners_know() -> None:
    found = made("debian.py")["packages"](STATUS, "debian")
    assert [each["name"] for each in found] == ["libc6", "base-files"]
    assert found[0]["purl"] == "pkg:deb/debian/libc6@2.36-9%2Bdeb12u10?arch=amd64"
    assert json.dumps(found[0]).count("2.36-9+deb12u10") == 1


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """With symbols for a debugger."""
    (tmp_path / "twice.c").write_text("int twice(int x) { return 2 * x; }")
    built = tmp_path / "libtwice.so.1.0"
    subprocess.run(["cc", "-g", "-shared", "-fPIC", "-o", built, tmp_path / "twice.c"], check=True)
    return built


def test_a_library_without_its_symbols_is_smaller_and_loads(library: Path) -> None:
    before = library.stat().st_size
    made("lean.py")["cut_symbols"](library)
    assert library.stat().st_size < before
    assert ctypes.CDLL(str(library)).twice(21) == 42
    shortest = library.read_bytes()
    made("lean.py")["cut_symbols"](library)
    assert library.read_bytes() == shortest


@pytest.mark.parametrize("content", [b"", b"not a library", b"\x7fELF\x01\x01" + bytes(58)])
def test_what_is_no_library_of_64_bits_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other.so").write_bytes(content)
    made("lean.py")["cut_symbols"](tmp_path / "other.so")
    assert (tmp_path / "other.so").read_bytes() == content


def test_copies_of_a_library_become_links_to_one(library: Path) -> None:
    (library.parent / "libtwice.so").write_bytes(library.read_bytes())
    (library.parent / "libother.so").write_bytes(b"other")
    made("lean.py")["link_copies"](library.parent)
    assert library.readlink() == Path("libtwice.so")
    assert not (library.parent / "libother.so").is_symlink()
    assert ctypes.CDLL(str(library)).twice(4) == 8
