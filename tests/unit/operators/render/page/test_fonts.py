"""Fonts of others are unchanged, with their licence; only text that is drawn correctly counts as drawable."""

from __future__ import annotations

import hashlib
import tomllib

import pytest

from operators.render.page.fonts import FOLDER, drawn, is_drawable

SOURCES = tomllib.loads((FOLDER / "SOURCES.toml").read_text(encoding="utf-8"))


def test_each_font_has_its_checksum_and_licence() -> None:
    for source in SOURCES.values():
        assert hashlib.sha256((FOLDER / source["file"]).read_bytes()).hexdigest() == source["sha256"]
    named = {source["file"] for source in SOURCES.values()}
    assert {path.name for path in FOLDER.iterdir()} == named | {"SOURCES.toml", "LICENSE.txt"}
    assert "Bitstream Vera" in (FOLDER / "LICENSE.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["Müller", "Buc^Jérôme", "Люкceмбypг", "Διονυσιος", "Đặng", "Տիգրան", ""])
def test_scripts_that_run_from_left_to_right_are_drawn(text: str) -> None:
    assert is_drawable(text)
    assert drawn(text) == text


@pytest.mark.parametrize("text", ["山田", "김희중", "王", "قباني", "שרון", "Ā\u0301", "a\u202eb", "a\tb"])
def test_others_are_not_taken_for_drawn(text: str) -> None:
    assert not is_drawable(text)
    assert is_drawable(drawn(text))


def test_letters_with_separate_accents_are_drawn_as_one() -> None:
    assert drawn("Mu\u0308ller") == "Müller"
