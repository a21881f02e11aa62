"""Passwords stay out of messages: settings that hold one show it to nobody who does not ask for it."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator

HIDDEN = "***"
# User and password of a URL (RFC 3986 3.2.1), in whatever text; not every @ or / in a password is escaped
_USER_INFO = re.compile(r"(?<=://)[^\s'\"@]*[^\s'\"]*@")
# Kinds of pydantic's errors whose input is a whole structure, or under a name that nobody knows
_STRUCTURAL = frozenset(("extra_forbidden", "value_error", "missing"))
# Names of settings that may hold a password
_SECRET = frozenset(("database", "stow"))


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
    return _USER_INFO.sub(f"{HIDDEN}@", text) if "://" in text else text


def got(fault: dict[str, Any]) -> str:
    """What came in the place of a right setting, for the end of a sentence; "" where it may be a secret.

    `fault` is one of pydantic's.
    """
    value, names = fault["input"], {str(part) for part in fault["loc"]}
    if fault["type"] in _STRUCTURAL or isinstance(value, dict) or names & _SECRET:
        return ""
    return f", got {redacted(repr(value))}"


Secret = Annotated[str, AfterValidator(SecretUrl)]
