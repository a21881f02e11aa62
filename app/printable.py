"""Texts from outside on their way to a terminal or a log: what could steer either is written as an escape.

All that the commands print of names, descriptions, sentences and files goes through one of these functions.
"""

from __future__ import annotations

import json
from typing import Any


def printable(text: str, keep: str = "\n") -> str:
    r"""The text with all that prints nothing as an escape such as \x1b, but for the characters of `keep`.

    That is what Unicode calls control, format (the bidirectional overrides among them), surrogate and private
    characters, and separators other than the space.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else _escaped(each) for each in text)


def printable_text(text: object) -> str:
    """For rich: printable, and no markup."""
    from rich.markup import escape

    return escape(printable(str(text)))


def printable_json(value: Any) -> str:
    """Indented JSON whose strings hold no character that prints nothing."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return "".join(each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text)


def counted(number: int, noun: str) -> str:
    """Returns a number with what it counts: "1 image", "2 images"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _escaped(character: str) -> str:
    """Escapes a character as in a Python literal."""
    return character.encode("unicode_escape").decode("ascii")
