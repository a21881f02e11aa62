"""Validation of TOML files by pydantic models, and a fault as one sentence."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from operators.errors import ModelError, reason
from operators.packages.validation_messages import first_fault

Validated = TypeVar("Validated")
Tables = dict[str, Any]

# Tables of TOML are validated strictly: no other key, no other type
STRICT = ConfigDict(strict=True, extra="forbid")


def validated(model: TypeAdapter[Validated], table: object) -> Validated:
    """A parsed TOML document as an instance of a model. Raises pydantic's ValidationError.

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
    """What `read` makes of a file's tables, once they are `complete`.

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
