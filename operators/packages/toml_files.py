"""Validation of TOML files by pydantic models, and a fault as one sentence."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from operators.errors import ModelError, reason

Validated = TypeVar("Validated")
Tables = dict[str, Any]

# Tables of TOML are validated strictly: no other key, no other type
STRICT = ConfigDict(strict=True, extra="forbid")


def validated(model: TypeAdapter[Validated], table: object) -> Validated:
    """Returns a parsed TOML document as an instance of a model. Raises pydantic's ValidationError.

    It goes through JSON, as pydantic's strict mode takes lists for tuples and tables for dataclasses there.
    """
    return model.validate_json(json.dumps(table, default=str))


def read_toml(
    path: Path,
    read: Callable[[Tables], Validated],
    expected: str,
    code: str,
    complete: Callable[[Tables], Mapping[str, Any]] = dict,
) -> Validated:
    """Returns what `read` makes of a file's tables, once they are `complete`.

    Raises ModelError with `code` where it is not `expected`, such as "a model package".
    """
    table: Tables = {}
    try:
        table = dict(complete(tomllib.loads(path.read_text(encoding="utf-8"))))
        return read(table)
    except (OSError, ValueError) as error:
        said = first_fault(error, table) if isinstance(error, ValidationError) else reason(error)
        place = f"{path.parent.name}/{path.name}"
        raise ModelError(f"expected {expected} in {place}, could not read it: {said}", code=code) from error


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
# Prefixes that pydantic adds to a location and that no file contains
WRAPPERS = ("function-", "tagged-", "[key]")
LONGEST = 60


def first_fault(error: ValidationError, table: Mapping[str, Any]) -> str:
    """Describes the first fault of a document; an unknown key with a missing one that may be meant."""
    faults = error.errors(include_url=False)
    unknown = [fault for fault in faults if fault["type"] in UNKNOWN_KEY]
    missing = [fault for fault in faults if fault["type"] == "missing"]
    faults_shown = [unknown[0], *missing[:1]] if unknown else faults[:1]
    return "; ".join(sentence(dict(fault), table) for fault in faults_shown)


def sentence(fault: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """Describes one fault: where, what was expected, what was found."""
    kind, place = fault["type"], place_of(fault, table)
    if kind == "missing":
        return f"{place}: expected a value, but the key is missing"
    if kind in UNKNOWN_KEY:
        return f"{place}: expected a known key, got an unknown one"
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
    """Describes the range of a number; None for another fault."""
    words = {
        "greater_than_equal": ("ge", "{} or more"),
        "greater_than": ("gt", "more than {}"),
        "less_than_equal": ("le", "{} or less"),
        "less_than": ("lt", "less than {}"),
    }
    key, text = words.get(kind, ("", ""))
    return text.format(context[key]) if key else None


def place_of(fault: Mapping[str, Any], table: Mapping[str, Any]) -> str:
    """Returns the keys that lead to a fault, joined by dots; rows of a list by their names, if they have
    them.

    The kind of package, which pydantic puts first, is not a key.
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
    """Returns one entry of a table or a list; None if there is none."""
    if isinstance(table, Mapping):
        return table.get(part)
    return table[part] if isinstance(table, list) and isinstance(part, int) and part < len(table) else None


def shown(fault: Mapping[str, Any]) -> str:
    """Returns the refused value as text, cut to 60 characters."""
    text = repr(fault.get("input"))
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
