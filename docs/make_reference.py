"""Writes docs/reference from the models that read app.yaml, package.toml and training.toml.

python docs/make_reference.py            # says whether the pages are current; exit code 1 where they are not
python docs/make_reference.py --write
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from app.settings import Settings
from operators.package_files.package_schema import (
    CoarseToFineTables,
    MonaiBundleTables,
    NnUNetFragmentsTables,
    NnUNetPerBoneTables,
    NnUNetTables,
)
from operators.package_files.radiograph_tables import RadiographTables
from training.radiograph.radiograph_recipe import RadiographRecipeFile
from training.recipe import RecipeFile

FOLDER = Path(__file__).parent / "reference"
NOTE = "<!-- Made by docs/make_reference.py; edit the models instead. -->\n"


def main() -> int:
    """Writes or compares the pages."""
    pages = {
        "settings.md": page(
            "Settings",
            "Every setting of `app.yaml`, below `osteon`; `node.port` is also OSTEON_NODE__PORT.",
            [("osteon", Settings)],
        ),
        "package.md": page(
            "package.toml",
            "One section for each `kind`. Structures are named in `models/structures.toml`; published "
            "packages may describe theirs in the file.",
            [
                ('kind = "coarse_to_fine"', CoarseToFineTables),
                ('kind = "nnunet"', NnUNetTables),
                ('kind = "nnunet_per_bone"', NnUNetPerBoneTables),
                ('kind = "nnunet_fragments"', NnUNetFragmentsTables),
                ('kind = "monai_bundle"', MonaiBundleTables),
                ('kind = "radiograph"', RadiographTables),
            ],
        ),
        "training.md": page(
            "training.toml",
            "What the networks of a package are trained on, and how. One section for each `subjects`.",
            [
                ('subjects = "simulated_ct"', RecipeFile),
                ('subjects = "radiograph"', RadiographRecipeFile),
            ],
        ),
    }
    stale = [name for name, text in pages.items() if not is_current(FOLDER / name, text)]
    if "--write" in sys.argv:
        FOLDER.mkdir(exist_ok=True)
        for name, text in pages.items():
            (FOLDER / name).write_text(text, encoding="utf-8")
        return 0
    for name in stale:
        print(f"docs/reference/{name} is not current; python docs/make_reference.py --write")
    return 1 if stale else 0


def is_current(path: Path, text: str) -> bool:
    """Whether the page says what the models say."""
    return path.is_file() and path.read_text(encoding="utf-8") == text


def page(title: str, words: str, sections: list[tuple[str, type[Any]]]) -> str:
    """One page; a table of the model that several sections share stands where it is met first."""
    seen: set[type[Any]] = set()
    parts = [NOTE, f"# {title}\n", f"{words}\n"]
    for heading, model in sections:
        if heading:
            parts.append(f"## {heading}\n")
        parts += tables(model, "", seen)
    return "\n".join(parts)


def tables(model: type[Any], place: str, seen: set[type[Any]]) -> Iterator[str]:
    """The table of a model, then those of the models in it."""
    if model in seen:
        yield f"`{place}`: {model.__name__}, as above.\n"
        return
    seen.add(model)
    if place:
        yield f"### {place}\n"
    if words := summary(model):
        yield f"{words}\n"
    rows = list(fields_of(model))
    yield "| key | type | default | meaning |\n| --- | --- | --- | --- |"
    for name, kind, default, text in rows:
        yield f"| `{name}` | {type_text(kind)} | {default_text(default)} | {text or ''} |"
    yield ""
    for name, kind, _, _ in rows:
        for inner in inner_models(kind):
            yield from tables(inner, f"{place}.{name}".strip("."), seen)


def summary(model: type[Any]) -> str:
    """The docstring's text in one paragraph, without its list of attributes."""
    text = inspect.getdoc(model) or ""
    return " ".join(text.split()).replace("|", "\\|") if text and not text.startswith(model.__name__) else ""


def fields_of(model: type[Any]) -> Iterator[tuple[str, Any, Any, str]]:
    """Name, type, default and description of each key."""
    if issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            default = (
                field.get_default(call_default_factory=True) if not field.is_required() else PydanticUndefined
            )
            yield field.alias or name, field.annotation, default, field.description or ""
        return
    hints = typing.get_type_hints(model)
    for each in dataclasses.fields(model):
        missing = each.default is dataclasses.MISSING
        yield each.name, hints[each.name], PydanticUndefined if missing else each.default, ""


def inner_models(kind: Any) -> list[type[Any]]:
    """The models that a type is made of."""
    if isinstance(kind, type) and not typing.get_args(kind):
        is_model = issubclass(kind, BaseModel) or dataclasses.is_dataclass(kind)
        return [kind] if is_model else []
    return [model for part in typing.get_args(kind) for model in inner_models(part)]


def type_text(kind: Any) -> str:
    """A type in words."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return type_text(parts[0])
    if origin is typing.Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(
            dict.fromkeys(type_text(part) for part in parts if part not in (type(None), tuple[()]))
        )
    if origin in (tuple, list):
        return "list of " + " and ".join(dict.fromkeys(type_text(part) for part in parts if part is not ...))
    if origin is dict:
        return f"table of {type_text(parts[1])}"
    names = {str: "text", int: "whole number", float: "number", bool: "true or false", Path: "path"}
    if kind in names:
        return names[kind]
    return "table" if inner_models(kind) else re.sub(r"^.*\.", "", str(getattr(kind, "__name__", kind)))


def default_text(default: Any) -> str:
    """A default as TOML and YAML have it; tables have their own."""
    if default is PydanticUndefined:
        return "**required**"
    if isinstance(default, BaseModel) or dataclasses.is_dataclass(default) or default in (None, (), "", {}):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


if __name__ == "__main__":
    sys.exit(main())
