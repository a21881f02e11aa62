"""Writes values as TOML, as far as package.toml needs it: numbers, texts, lists, tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def value_text(value: object) -> str:
    """One value on one line. Raises TypeError for one that TOML does not have."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        # TOML's basic strings have JSON's escapes; it forbids DEL, which JSON leaves as it is
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(value_text(each) for each in value)}]"
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{key} = {value_text(each)}' for key, each in value.items())} }}"
    raise TypeError(f"expected a number, text, list or table, got {value!r}")


def table_text(heading: str, rows: Mapping[str, Any]) -> str:
    """A table under its heading ("[name]", "[[name]]" or none), one key a line."""
    lines = [heading] * bool(heading) + [f"{key} = {value_text(value)}" for key, value in rows.items()]
    return "\n".join(lines) + "\n"
