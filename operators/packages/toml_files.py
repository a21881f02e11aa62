"""Validation of TOML files by pydantic models, and a fault as one sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from operators.errors import reason
from operators.validation_messages import first_fault

Validated = TypeVar("Validated")


def validated(model: TypeAdapter[Validated], table: object) -> Validated:
    """A parsed TOML document as an instance of a model. Raises pydantic's ValidationError.

    It goes through JSON, as pydantic's strict mode takes lists for tuples and tables for dataclasses there.
    """
    return model.validate_json(json.dumps(table, default=str))


def fault_of(error: OSError | ValueError, table: Mapping[str, Any]) -> str:
    """The fault of a file as a sentence; `table` is its parsed content, empty if it is not TOML."""
    return first_fault(error, table) if isinstance(error, ValidationError) else reason(error)
