"""Passwords stay out of messages: settings that hold one show it to nobody who does not ask for it."""

from __future__ import annotations

import re
from typing import Any

from operators.errors import reason

HIDDEN = "***"
# User and password of a URL (RFC 3986 3.2.1), in whatever text; not every @ or / in a password is escaped
_USER_INFO = re.compile(r"(?<=://)[^\s'\"@]*[^\s'\"]*@")
# What libpq takes instead, in a URL's query or in a connection string
_PARAMETER = re.compile(r"(password\s*=\s*)[^\s&'\"]+")
# Names of settings that may hold a password
_SECRET = frozenset(("database", "notice_url", "stow"))


class SecretUrl(str):
    """A URL that may hold a password: `repr`, `str` and formatting hide it, `revealed` does not.

    As JSON and pickled it is whole, so that settings can be saved and handed to other processes.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redacted(revealed(self)))

    def __str__(self) -> str:
        return redacted(revealed(self))

    def __format__(self, specification: str) -> str:
        return format(str(self), specification)


def revealed(text: str) -> str:
    """The whole of a text that may be a SecretUrl."""
    return str.__str__(text)


def redacted(text: str) -> str:
    """A text in which no URL has a user or password."""
    if "://" in text:
        text = _USER_INFO.sub(f"{HIDDEN}@", text)
    return _PARAMETER.sub(rf"\1{HIDDEN}", text) if "password" in text else text


def yaml_fault(error: Exception) -> str:
    """Describes a fault in a YAML file and its place; PyYAML's own text quotes the line."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return redacted(reason(error))
    return f"{redacted(str(getattr(error, 'problem', '')))} in line {mark.line + 1}, column {mark.column + 1}"


def got(fault: dict[str, Any]) -> str:
    """Returns the wrong value for the end of a sentence; "" where it may be a secret.

    `fault` is one of pydantic's.
    """
    value, names = fault["input"], {str(part) for part in fault["loc"]}
    is_misspelt = fault["type"] == "extra_forbidden" and "node" in names
    if names & _SECRET or is_misspelt or not isinstance(value, str | int | float | None):
        return ""
    return f", got {redacted(repr(value))}"
