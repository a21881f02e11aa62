"""What `osteon models` does: each command reads, calls one function, prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from app.settings import read_settings
from operators.errors import ModelError, OsteonError, UsageError
from operators.imaging.package_file import DRAFT_FILE, PACKAGE_FILE, read_package
from operators.imaging.packages import Code, Label, ModelPackage, NetworkSpec
from operators.networks.imports.install import verify

DONE = 0


def list_command(models: Path | None, as_json: bool) -> int:
    """One line a package."""
    rows = [listed(path) for path in package_files(read_settings(models=models).models)]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            print(f"{row['name']:24} {row['state']:9} {row['text']}")
    return DONE


def listed(path: Path) -> dict[str, str]:
    """Name, state (ready, draft, broken) and a few words."""
    name = path.parent.name
    try:
        package = read_package(path)
    except ModelError as error:
        state = "draft" if path.name == DRAFT_FILE else "broken"
        return {"name": name, "state": state, "text": str(error)}
    if path.name == DRAFT_FILE:
        text = f"labels filled in; make it a package: osteon models verify {name}"
        return {"name": name, "state": "draft", "text": text}
    text = f"{package.title}, {len(package.networks)} networks, {len(package.labels)} labels"
    return {"name": package.name, "state": "ready", "text": text}


def show_command(name: str, models: Path | None, as_json: bool) -> int:
    """Everything that a person asks of a package."""
    about = description(read_package(package_file(read_settings(models=models).models, name)))
    if as_json:
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return DONE
    print(f"{about['name']} {about['version']}: {about['title']}")
    for row in about["networks"]:
        print("  network " + ", ".join(f"{key} {value}" for key, value in row.items()))
    for row in about["labels"]:
        print(f"  label {row['values']}: {row['meaning']} ({row['code']})")
    return DONE


def description(package: ModelPackage) -> dict[str, Any]:
    """A package as plain values."""
    return {
        "name": package.name,
        "version": package.version,
        "title": package.title,
        "networks": [network_row(spec) for spec in package.networks],
        "labels": [label_row(label) for label in package.labels],
    }


def network_row(spec: NetworkSpec) -> dict[str, Any]:
    """A network as plain values."""
    return {
        "name": spec.name,
        "architecture": spec.architecture,
        "spacing_mm": spec.spacing_mm,
        "patch": spec.patch,
        "normalisation": spec.normalisation.scheme,
        "classes": len(spec.classes),
        "sha256": spec.sha256[:12],
    }


def label_row(label: Label) -> dict[str, str]:
    """A label as plain values."""
    values = label.values
    span = f"{values.start}" if len(values) == 1 else f"{values.start}-{values.stop - 1}"
    parts = (label.type, label.laterality)
    return {"values": span, "meaning": label.meaning, "code": " ".join(code_text(p) for p in parts if p)}


def code_text(code: Code) -> str:
    """Scheme and value."""
    return f"{code.scheme} {code.value}"


def verify_command(name: str | None, models: Path | None) -> int:
    """Checks one package or all of them; says what is wrong with each."""
    folder = read_settings(models=models).models
    files = [package_file(folder, name)] if name else package_files(folder)
    codes = [verified(path.parent) for path in files]
    return max(codes, default=ModelError.exit_code)


def verified(folder: Path) -> int:
    """One package."""
    try:
        package = verify(folder)
    except OsteonError as error:
        print(f"osteon: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{package.name}: {len(package.networks)} networks, {len(package.labels)} labels, all as stated")
    return DONE


def package_files(models: Path) -> list[Path]:
    """The package files and drafts of a models folder, by name."""
    return sorted(path for kind in (PACKAGE_FILE, DRAFT_FILE) for path in models.glob(f"*/{kind}"))


def package_file(models: Path, name: str) -> Path:
    """A package's file or draft. Raises UsageError where there is none of that name."""
    known = {path.parent.name: path for path in package_files(models)}
    if name not in known:
        raise UsageError(f"expected one of the packages {', '.join(known) or 'none'}, got {name!r}")
    return known[name]
