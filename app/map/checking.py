"""Validates manifests against the JSON schemas beside this file, which say what platforms expect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from app import platform_layout as layout

SCHEMAS = Path(__file__).parent / "schemas"
SCHEMA_NAMES = {
    str(layout.APP_MANIFEST): "app_1",
    str(layout.PKG_MANIFEST): "pkg_1",
    str(layout.APP_MANIFEST_0): "app_0",
    str(layout.PKG_MANIFEST_0): "pkg_0",
}


def faults(manifests: dict[str, Any]) -> list[str]:
    """Returns a sentence for every fault of the manifests, which are keyed by their path in the image.

    All four manifests are required.
    """
    missing = [f"{path}: expected a manifest, got none" for path in SCHEMA_NAMES if path not in manifests]
    present = (path for path in SCHEMA_NAMES if path in manifests)
    return missing + [fault for path in present for fault in schema_faults(path, manifests[path])]


def schema_faults(path: str, manifest: Any) -> Iterator[str]:
    """Yields a sentence for each violation of one manifest's schema."""
    schema = json.loads((SCHEMAS / f"{SCHEMA_NAMES[path]}.json").read_text(encoding="utf-8"))
    for error in Draft202012Validator(schema).iter_errors(manifest):
        yield f"{path}: {error.json_path}: {error.message}"


def extracted(folder: Path) -> dict[str, Any]:
    """Returns the manifests that `extract` wrote, by their path in the image; None for invalid JSON."""
    files = {str(path): folder / name for path, name in layout.EXTRACTED.items()}
    return {path: parsed(file) for path, file in files.items() if file.is_file()}


def parsed(file: Path) -> Any:
    """Returns the content of a JSON file, or None if it is invalid."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None
