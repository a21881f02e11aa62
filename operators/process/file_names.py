"""The names of files as they are written and printed."""

from __future__ import annotations

from pathlib import PurePath


def shown_name(path: PurePath | str) -> str:
    """Returns a name or relative path in one line of printable Unicode.

    "?" stands for bytes that are not UTF-8, line breaks and other characters that do not print.
    """
    name = path.as_posix() if isinstance(path, PurePath) else path
    if name.isprintable():
        return name
    return "".join(letter if letter.isprintable() else "?" for letter in name)
