"""Regular expressions that a site writes into app.yaml, checked when they are read.

They are matched against texts that peers send, so each must end soon whatever the text is: texts are cut to
the longest that DICOM allows, and a pattern that could be tried in too many ways is refused.
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
# Four open repeats in a row (65 ** 4); the longest text takes a second at most.
MOST_WAYS = 20_000_000
REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)


def checked_pattern(value: str) -> str:
    """The pattern itself. Raises ValueError with a sentence where it is none, or might match for ever."""
    if len(value) > LONGEST_PATTERN:
        raise ValueError(f"expected a pattern of at most {LONGEST_PATTERN} characters, got {len(value)}")
    try:
        re.compile(value)
        found = ways(_parser.parse(value))
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"expected a regular expression, got {value!r}: {error}") from error
    if found > MOST_WAYS:
        raise ValueError(
            f"expected a pattern with at most 4 open repeats (* or +) and none within another, got {value!r}"
        )
    return value


def ways(parsed: Any) -> int:
    """In how many ways a parsed pattern may be tried at one place of a text, `MOST_WAYS` + 1 at most."""
    found = 1
    for code, argument in parsed:
        found = min(found * _ways_of(code, argument), MOST_WAYS + 1)
    return found


def _ways_of(code: Any, argument: Any) -> int:
    if code is _constants.BRANCH:
        return sum(ways(each) for each in argument[1])
    if code in REPEATS:
        least, most, repeated = argument
        return _repeated(ways(repeated), min(int(least), LONGEST_TEXT), min(int(most), LONGEST_TEXT))
    found = 1
    for each in _groups(argument):
        found *= ways(each)
    return found


def _repeated(each: int, least: int, most: int) -> int:
    """So many ways again and again: the sum of their powers."""
    return min(sum(min(each, MOST_WAYS + 1) ** count for count in range(least, most + 1)), MOST_WAYS + 1)


def _groups(argument: Any) -> list[Any]:
    """Patterns within groups, lookarounds and conditions."""
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    return [part for each in argument for part in _groups(each)] if isinstance(argument, tuple) else []


@cache
def _compiled(pattern: str, flags: int) -> re.Pattern[str]:
    return re.compile(pattern, flags)


def is_found(pattern: str, texts: Sequence[str]) -> bool:
    """Whether the pattern is somewhere in one of the texts, in capitals or not."""
    compiled = _compiled(pattern, re.IGNORECASE)
    return any(compiled.search(text[:LONGEST_TEXT]) for text in texts)


def is_named(pattern: str, name: str) -> bool:
    """Whether the pattern is the name, letter by letter, or matches the whole of it."""
    return pattern == name or bool(_compiled(pattern, 0).fullmatch(name[:LONGEST_TEXT]))
