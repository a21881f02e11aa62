"""Checks whether a text is a value of its VR (PS3.5 6.2); rewrites it in DICOM's form if it is clear."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date

from pydicom.config import RAISE
from pydicom.valuerep import DSfloat, validate_value

from operators.dicom.elements.attributes import decimal_point, is_uid

# VRs of free text: they depend on SpecificCharacterSet and may hold any characters
NAMES, LINES, PARAGRAPHS = frozenset({"PN"}), frozenset({"LO", "SH", "UC"}), frozenset({"LT", "ST", "UT"})
FREE_TEXT = NAMES | LINES | PARAGRAPHS
TEXT = FREE_TEXT | {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"}
MOST_CHARACTERS = {"DS": 16, "IS": 12, "LO": 64, "SH": 16, "ST": 1024, "LT": 10240}
NAME_GROUPS, NAME_GROUP_CHARACTERS = 3, 64
_BREAKS = frozenset("\t\n\f\r")
# Also unpaired UTF-16 surrogates, which no file can hold
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
# Year first, as in ACR-NEMA (PS3.5 6.2, note on DA) and ISO 8601; "02.01.1970" is ambiguous
_DATE_AS_WRITTEN = re.compile(r"(\d{4})([-./])(\d{1,2})\2(\d{1,2})")
_TIME_AS_WRITTEN = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2})(\.\d{1,6})?)?")
_AGE_AS_WRITTEN = re.compile(r"(\d{1,3}) ?([DWMY])", re.IGNORECASE)


def is_too_long(vr: str, value: str) -> bool:
    """Returns whether a text has more characters than its VR may hold."""
    if vr == "PN":
        groups = value.split("=")
        return len(groups) > NAME_GROUPS or any(len(group) > NAME_GROUP_CHARACTERS for group in groups)
    return len(value) > MOST_CHARACTERS.get(vr, len(value))


def has_control_characters(vr: str, value: str) -> bool:
    """Returns whether a text holds control characters; paragraphs may have tabs and breaks (PS3.5 6.1.3)."""
    kept = _BREAKS if vr in PARAGRAPHS else frozenset[str]()
    return any(_CONTROL.match(letter) and letter not in kept for letter in value)


def is_value(vr: str, value: str) -> bool:
    """Returns whether a text, which may be empty, is one value of `vr`, apart from its length."""
    if value == "":
        return True
    if vr in FREE_TEXT:
        return not has_control_characters(vr, value)
    rule = _RULES.get(vr)
    return _is_valid(vr, value) if rule is None else rule(value)


def rewrite_value(vr: str, value: str) -> str | None:
    """Returns the value in DICOM's form; None if its meaning is not certain."""
    rule = _REWRITE.get(vr)
    return rule(value.strip()) if rule else None


def _is_valid(vr: str, value: str) -> bool:
    try:
        validate_value(vr, value, RAISE)
    except ValueError:
        return False
    return True


def _is_date(value: str) -> bool:
    found = _DATE.fullmatch(value)
    return found is not None and _real_date(found[1], found[2], found[3]) is not None


def _real_date(year: str, month: str, day: str) -> str | None:
    with suppress(ValueError):
        return date(int(year), int(month), int(day)).isoformat().replace("-", "")
    return None


def _is_time(value: str) -> bool:
    return "-" not in value and _is_valid("TM", value)


def _is_number(value: str) -> bool:
    return _is_valid("DS", value[: MOST_CHARACTERS["DS"]]) and _finite(value) is not None


def _finite(value: str) -> float | None:
    with suppress(ValueError):
        number = float(value)
        return number if math.isfinite(number) and "_" not in value else None
    return None


def _is_whole(value: str) -> bool:
    return _is_valid("IS", value) and -(2**31) <= int(value) < 2**31


def _date_of(value: str) -> str | None:
    found = _DATE_AS_WRITTEN.fullmatch(value)
    return _real_date(found[1], found[3], found[4]) if found else None


def _time_of(value: str) -> str | None:
    found = _TIME_AS_WRITTEN.fullmatch(value)
    if not found:
        return None
    text = found[1].zfill(2) + found[2] + (found[3] or "") + (found[4] or "")
    return text if _is_time(text) else None


def _age_of(value: str) -> str | None:
    found = _AGE_AS_WRITTEN.fullmatch(value)
    return f"{found[1].zfill(3)}{found[2].upper()}" if found else None


def _number_of(value: str) -> str | None:
    number = _finite(decimal_point(value))
    return None if number is None else str(DSfloat(number, auto_format=True))


def _code_of(value: str) -> str | None:
    return value.upper() if _is_valid("CS", value.upper()) else None


_RULES: dict[str, Callable[[str], bool]] = {
    "DA": _is_date, "TM": _is_time, "DS": _is_number, "IS": _is_whole, "UI": is_uid,
}  # fmt: skip
_REWRITE: dict[str, Callable[[str], str | None]] = {
    "DA": _date_of, "TM": _time_of, "AS": _age_of, "DS": _number_of, "CS": _code_of,
}  # fmt: skip
