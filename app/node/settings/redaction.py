"""Keeps passwords out of messages."""

from __future__ import annotations

import re
from typing import Any

from operators.errors import reason

HIDDEN = "***"
# User and password of a URL (RFC 3986 3.2.1) in any text; an @ or / in a password may be unescaped
_USER_INFO = re.compile(r"(?<=://)[^\s'\"@]*[^\s'\"]*@")
# The parameter that libpq also accepts, in a URL's query or in a connection string
_PARAMETER = re.compile(r"(password\s*=\s*)[^\s&'\"]+")
# Names of settings that may hold a password
_SECRET = frozenset(("database", "notice_url", "stow", "url", "fhir", "client_secret"))


class SecretUrl(str):
    """A URL that may hold a password, which `repr`, `str` and formatting hide; `revealed` returns all of it.

    JSON and pickle keep the password, so that settings can be saved and passed to other processes.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(str(self))

    def __str__(self) -> str:
        return redacted(revealed(self))

    def __format__(self, specification: str) -> str:
        return format(str(self), specification)


class SecretAddress(SecretUrl):
    """An address of which any part may be secret, as in many of apprise's: only its scheme is shown."""

    __slots__ = ()

    def __str__(self) -> str:
        scheme, mark, _ = revealed(self).partition("://")
        return f"{scheme}{mark}{HIDDEN}" if mark else HIDDEN if scheme else ""


class SecretWord(SecretUrl):
    """A password, of which nothing is shown."""

    __slots__ = ()

    def __str__(self) -> str:
        return HIDDEN if revealed(self) else ""


def revealed(text: str) -> str:
    """Returns the text, with the password if it is a SecretUrl."""
    return str.__str__(text)


def redacted(text: str) -> str:
    """Returns the text without the users and passwords of its URLs."""
    if "://" in text:
        text = _USER_INFO.sub(f"{HIDDEN}@", text)
    return _PARAMETER.sub(rf"\1{HIDDEN}", text) if "password" in text else text


def yaml_fault(error: Exception) -> str:
    """Describes a fault in a YAML file and its position, without quoting the line as PyYAML does."""
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return redacted(reason(error))
    return f"{redacted(str(getattr(error, 'problem', '')))} in line {mark.line + 1}, column {mark.column + 1}"


def got(fault: dict[str, Any]) -> str:
    """Returns ", got VALUE" for an error of pydantic, or "" if the value may be a secret."""
    value, names = fault["input"], {str(part) for part in fault["loc"]}
    is_misspelt = fault["type"] == "extra_forbidden" and "node" in names
    if names & _SECRET or is_misspelt or not isinstance(value, str | int | float | None):
        return ""
    return f", got {redacted(repr(value))}"
