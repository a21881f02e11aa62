"""Texts from outside on their way to a terminal or a log: what could steer either is written as an escape."""

from __future__ import annotations


def printable(text: str, keep: str = "") -> str:
    r"""The text with all that prints nothing as an escape such as \x1b, but for the characters of `keep`.

    That is what Unicode calls control, format (the bidirectional overrides among them), surrogate and private
    characters, and separators other than the space.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each in keep else escaped(each) for each in text)


def escaped(character: str) -> str:
    """As in a Python literal."""
    return character.encode("unicode_escape").decode("ascii")
