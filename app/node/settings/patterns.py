"""Checks and matches the regular expressions of app.yaml.

They are matched against text from peers, so matching must be fast for any text: texts are truncated to the
longest that DICOM allows, and a pattern with too much backtracking is refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from re import _constants, _parser  # type: ignore[attr-defined]
from typing import Any

# PS3.5 6.2: LO, of Series and Study Description, has at most 64 characters.
LONGEST_TEXT = 64
LONGEST_PATTERN = 500
# Four open repeats in a row (65 ** 4), with which the longest text takes a second at most.
MOST_PATHS = 20_000_000
REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)


def checked_pattern(value: str) -> str:
    """Returns the pattern. Raises ValueError if it is invalid, or if matching it could take too long."""
    if len(value) > LONGEST_PATTERN:
        raise ValueError(f"expected a pattern of at most {LONGEST_PATTERN} characters, got {len(value)}")
    try:
        re.compile(value)
        found = path_count(_parser.parse(value))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"expected a regular expression, got {value!r}: {error}") from error
    if found > MOST_PATHS:
        raise ValueError(
            f"expected a pattern with at most 4 open repeats (* or +) and none within another, got {value!r}"
        )
    return value


def path_count(parsed: Any) -> int:
    """Returns how many paths backtracking may try at one position of a text, at most `MOST_PATHS` + 1."""
    found = 1
    for code, argument in parsed:
        found = min(found * _node_paths(code, argument), MOST_PATHS + 1)
    return found


def _node_paths(code: Any, argument: Any) -> int:
    if code is _constants.BRANCH:
        return sum(path_count(each) for each in argument[1])
    if code in REPEATS:
        least, most, repeated = argument
        return _repeated(path_count(repeated), min(int(least), LONGEST_TEXT), min(int(most), LONGEST_TEXT))
    found = 1
    for each in _groups(argument):
        found *= path_count(each)
    return found


def _repeated(each: int, least: int, most: int) -> int:
    """Returns the paths of a repeat: the sum of the powers of those of the repeated pattern."""
    return min(sum(min(each, MOST_PATHS + 1) ** count for count in range(least, most + 1)), MOST_PATHS + 1)


def _groups(argument: Any) -> list[Any]:
    """Returns the patterns within groups, lookarounds and conditions."""
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    return [part for each in argument for part in _groups(each)] if isinstance(argument, tuple) else []


@cache
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile(pattern, flags)


def is_found(pattern: str, texts: Sequence[str]) -> bool:
    """Returns whether the pattern occurs in one of the texts, ignoring case."""
    compiled = _compiled(pattern, re.IGNORECASE)
    return any(compiled.search(text[:LONGEST_TEXT]) for text in texts)


def is_named(pattern: str, name: str) -> bool:
    """Returns whether the pattern equals the name, or matches all of it."""
    return pattern == name or bool(_compiled(pattern, 0).fullmatch(name[:LONGEST_TEXT]))
