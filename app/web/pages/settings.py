"""The settings as they are in force, without passwords."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.node.settings.ignored import ignored_settings
from app.web.access import Operator, site_of
from app.web.rendering import page

router = APIRouter(prefix="/settings")


@dataclass(frozen=True)
class Setting:
    """A setting: its name, its value in words, what it means, and whether it differs from its default."""

    name: str
    value: str
    description: str
    is_changed: bool


@router.get("")
def shown(request: Request, visitor: Operator) -> Response:
    """Returns the page of the settings."""
    site = site_of(request)
    return page(
        request,
        "settings.html",
        visitor,
        settings=list(settings_of(site.settings)),
        ignored=ignored_settings(site.node),
    )


def settings_of(model: BaseModel, prefix: str = "") -> Iterator[Setting]:
    """Yields all settings of a model and of the models in it, in their order."""
    for name, field in type(model).model_fields.items():
        value: Any = getattr(model, name)
        if isinstance(value, BaseModel):
            yield from settings_of(value, f"{prefix}{name}.")
        elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
            for number, each in enumerate(value, 1):
                label = getattr(each, "name", "") or number
                yield from settings_of(each, f"{prefix}{name}[{label}].")
        else:
            text = in_words(value)
            yield Setting(f"{prefix}{name}", text, field.description or "", value != field.default)


def in_words(value: Any) -> str:
    """Returns a value as text; `str` hides the passwords of URLs."""
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    if value in (None, ""):
        return "none"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
