"""pydantic's validation errors in the project's words: where, what was expected, what came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dataclass_type": "a table",
    "dataclass_exact_type": "a table",
    "none_required": "nothing",
}
UNKNOWN_KEY = ("extra_forbidden", "unexpected_keyword_argument")
# What pydantic adds to a place, which no file has
WRAPPERS = ("function-", "tagged-", "[key]")
LONGEST = 60


def first_fault(error: ValidationError, table: Mapping[str, Any]) -> str:
    """The first fault of a document; an unknown key with the missing one that it may stand for."""
    faults = error.errors(include_url=False)
    unknown = [fault for fault in faults if fault["type"] in UNKNOWN_KEY]
    missing = [fault for fault in faults if fault["type"] == "missing"]
    told = [unknown[0], *missing[:1]] if unknown else faults[:1]
    return "; ".join(sentence(dict(fault), table) for fault in told)


def sentence(fault: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """Returns one fault as a sentence: place, what was expected, what came."""
    kind, place = fault["type"], place_of(fault, table)
    if kind == "missing":
        return f"{place}: expected a value, the key is missing"
    if kind in UNKNOWN_KEY:
        return f"{place}: expected no such key"
    if kind == "union_tag_invalid":
        return f"kind: expected {fault['ctx']['expected_tags']}, got {fault['ctx']['tag']!r}"
    context = fault.get("ctx", {})
    if kind == "literal_error":
        return f"{place}: expected {context['expected']}, got {shown(fault)}"
    if kind in ("too_short", "too_long"):
        most = context.get("min_length", context.get("max_length"))
        return f"{place}: expected {most} entries, got {context['actual_length']}"
    expected = EXPECTED.get(kind) or limit(kind, context)
    if expected is None:
        return f"{place}: {fault['msg']}"
    return f"{place}: expected {expected}, got {shown(fault)}"


def limit(kind: str, context: Mapping[str, Any]) -> str | None:
    """What a number that is out of its range may be; None for another fault."""
    words = {
        "greater_than_equal": ("ge", "{} or more"),
        "greater_than": ("gt", "more than {}"),
        "less_than_equal": ("le", "{} or less"),
        "less_than": ("lt", "less than {}"),
    }
    key, text = words.get(kind, ("", ""))
    return text.format(context[key]) if key else None


def place_of(fault: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """The keys that lead to a fault, joined by dots; rows of a list by their names, where they have some.

    The kind of package, which pydantic puts first, is no key.
    """
    parts = [part for part in fault["loc"] if not str(part).startswith(WRAPPERS)]
    if parts and parts[0] == table.get("kind"):
        parts = parts[1:]
    named, here = [], table
    for part in parts:
        here = value_at(here, part)
        name = here.get("name") if isinstance(part, int) and isinstance(here, Mapping) else None
        named.append(str(name or part))
    return ".".join(named) or "the file"


def value_at(table: Any, part: int | str) -> Any:
    """One entry of a table or a list; nothing where there is none."""
    if isinstance(table, Mapping):
        return table.get(part)
    return table[part] if isinstance(table, list) and isinstance(part, int) and part < len(table) else None


def shown(fault: Mapping[str, Any]) -> str:
    """Returns the value that was refused as text, cut to 60 characters."""
    text = repr(fault.get("input"))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
