"""Text from outside cannot control a terminal."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from app.printable import printable, printable_json, printable_text

HARMFUL = [
    "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\x08", "\x00", "\x7f", "\u202etxt.exe", "\u2066",
    "\u200b", "\u2028", "\ud800", "\ufeff",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMFUL)
def test_what_steers_a_terminal_is_escaped(text: str) -> None:
    assert printable(f"CT {text} Hüfte 骨").isprintable()
    assert "Hüfte 骨" in printable(f"CT {text} Hüfte 骨")


@settings(max_examples=40)
@given(st.text())
def test_all_that_is_shown_is_printable(text: str) -> None:
    console = Console(file=io.StringIO(), force_terminal=False, width=10_000)
    console.print(printable_text(text), soft_wrap=True, highlight=False)
    written = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(each.isprintable() or each == "\n" for each in written)
    assert not text.isalnum() or text in written


VALUES = st.recursive(
    st.text() | st.integers(), lambda below: st.lists(below) | st.dictionaries(st.text(), below)
)


@settings(max_examples=40)
@given(VALUES)
def test_json_is_printable_and_says_the_same(value: object) -> None:
    text = printable_json(value)
    assert all(each.isprintable() or each == "\n" for each in text)
    assert json.loads(text) == value


def test_markup_stays_text() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(printable_text("[bold red]CT[/] [link=http://x]y[/link]"))
    assert console.file.getvalue().strip() == "[bold red]CT[/] [link=http://x]y[/link]"  # type: ignore[attr-defined]
