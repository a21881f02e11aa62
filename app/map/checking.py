"""Whether manifests are what platforms expect: the JSON schemas beside this file say so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from app import platform_layout as layout

SCHEMAS = Path(__file__).parent / "schemas"
OF = {
    str(layout.APP_MANIFEST): "app_1",
    str(layout.PKG_MANIFEST): "pkg_1",
    str(layout.APP_MANIFEST_0): "app_0",
    str(layout.PKG_MANIFEST_0): "pkg_0",
}


def faults(manifests: dict[str, Any]) -> list[str]:
    """A sentence for everything that is wrong; manifests by their path in the image, all four are needed."""
    missing = [f"{path}: expected a manifest, got none" for path in OF if path not in manifests]
    return missing + [fault for path in OF if path in manifests for fault in wrong(path, manifests[path])]


def wrong(path: str, manifest: Any) -> Iterator[str]:
    """Yields the ways in which one manifest breaks its schema."""
    schema = json.loads((SCHEMAS / f"{OF[path]}.json").read_text(encoding="utf-8"))
    for error in Draft202012Validator(schema).iter_errors(manifest):
        yield f"{path}: {error.json_path}: {error.message}"


def extracted(folder: Path) -> dict[str, Any]:
    """The manifests that `extract` put there, by their path in the image; one that is no JSON is None."""
    files = {str(path): folder / name for path, name in layout.EXTRACTED.items()}
    return {path: parsed(file) for path, file in files.items() if file.is_file()}


def parsed(file: Path) -> Any:
    """Its content, or None."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None
