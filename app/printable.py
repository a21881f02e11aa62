"""Makes text from outside safe to print: characters that could control a terminal or a log become escapes.

Every name, description, sentence and file that a command prints goes through one of these functions.
"""

from __future__ import annotations

import json
from typing import Any


def printable(text: str, keep: str = "\n") -> str:
    r"""Returns the text with every non-printing character, except those in `keep`, as an escape such as \x1b.

    Non-printing are Unicode's control, format (including bidirectional overrides), surrogate and private-use
    characters, and separators other than the space.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else _escaped(each) for each in text)


def printable_line(text: str) -> str:
    """Returns printable text in one line."""
    return printable(text, keep="")


def printable_text(text: object) -> str:
    """Returns printable text in which rich finds no markup."""
    from rich.markup import escape

    return escape(printable(str(text)))


def printable_json(value: Any) -> str:
    """Returns indented JSON in which every non-printing character of a string is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun: "1 image", "2 images"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _escaped(character: str) -> str:
    """Escapes a character as in a Python literal."""
    return character.encode("unicode_escape").decode("ascii")
