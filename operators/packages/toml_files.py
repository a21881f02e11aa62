"""TOML files that people write: read by pydantic models, and what is wrong with one in one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from operators.errors import reason
from operators.validation_messages import first_fault

Validated = TypeVar("Validated")

# A table of TOML has the keys that it may have, and values of their types
STRICT = ConfigDict(strict=True, extra="forbid")


def validated(model: TypeAdapter[Validated], table: object) -> Validated:
    """A parsed TOML document as what it is to be. Raises pydantic's ValidationError.

    By way of JSON, where strictness knows lists as tuples and tables as dataclasses.
    """
    return model.validate_json(json.dumps(table, default=str))


def fault_of(error: OSError | ValueError, table: Mapping[str, Any]) -> str:
    """What is wrong with a file; `table` is what it holds as TOML, empty where it is none."""
    return first_fault(error, table) if isinstance(error, ValidationError) else reason(error)
