"""The actions of `osteon models`: each command reads, calls one function, prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.settings import read_settings
from operators.errors import ModelError, OsteonError, UsageError
from operators.importing.install import verify
from operators.networks.weight_size import size_fault
from operators.package_files.package_reader import DRAFT_FILE, PACKAGE_FILE, read_package
from operators.packages.packages import Label, ModelPackage, NetworkSpec
from operators.packages.structures import Code

DONE = 0


def list_command(as_json: bool, config: Path | None, models: Path | None) -> int:
    """A line a package: whether it can be used, and if not, why. Raises ModelError where there are none."""
    folder = require_models(read_settings(config, models=models).models)
    rows = [list_packages(path) for path in package_files(folder)]
    if as_json:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return DONE
    if not rows:
        print(f"no model packages in {folder}; `osteon models import` makes one of a published model")
    for row in rows:
        show_listed(row, Console(soft_wrap=False))
    return DONE


def show_listed(row: dict[str, str], console: Console) -> None:
    """On a terminal the words wrap beside name and state; else all is one line."""
    head = f"{row['name']:14} {row['state']:7} "
    if not console.is_terminal:
        print(f"{head}{row['text']}")
        return
    table = Table.grid()
    table.add_row(Text(head), Text(row["text"]))
    console.print(table)


def list_packages(path: Path) -> dict[str, str]:
    """Name, state (ready, draft, broken) and a few words; checksums are for `osteon models verify`."""
    name, is_draft = path.parent.name, path.name == DRAFT_FILE
    try:
        package = read_package(path)
    except ModelError as error:
        return {"name": name, "state": "draft" if is_draft else "broken", "text": str(error)}
    faults = [fault for spec in package.networks if (fault := size_fault(spec.weights))]
    if faults:
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return {"name": name, "state": "broken", "text": faults[0] + more}
    if is_draft:
        text = f"labels filled in; make it a package: osteon models verify {name}"
        return {"name": name, "state": "draft", "text": text}
    text = f"{package.title}, {len(package.networks)} networks, {len(package.labels)} labels"
    return {"name": package.name, "state": "ready", "text": text}


def show_command(name: str, as_json: bool, config: Path | None, models: Path | None) -> int:
    """Everything that a person asks of a package."""
    about = description(read_package(package_file(read_settings(config, models=models).models, name)))
    if as_json:
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return DONE
    print(f"{about['name']} {about['version']}: {about['title']}")
    for row in about["networks"]:
        print(f"  network {row['name']}: " + ", ".join(facts(row)))
    for row in about["labels"]:
        print(f"  label {row['values']}: {row['meaning']} ({row['code']})")
    return DONE


def facts(network: dict[str, Any]) -> Iterator[str]:
    """Yields what a network reads and gives, in words."""
    yield network["architecture"]
    yield f"patches of {times(network['patch'])} at {times(network['spacing_mm'])} mm"
    yield f"normalisation {network['normalisation']}"
    yield f"{network['classes']} classes"
    yield f"SHA-256 {network['sha256']}..."


def times(sides: Sequence[float]) -> str:
    """Sides of a box."""
    return " x ".join(f"{side:g}" for side in sides)


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
    parts = (label.structure.type, label.structure.laterality)
    return {"values": span, "meaning": label.meaning, "code": " ".join(code_text(p) for p in parts if p)}


def code_text(code: Code) -> str:
    """Scheme and value."""
    return f"{code.scheme} {code.value}"


def verify_command(name: str | None, config: Path | None, models: Path | None) -> int:
    """Checks one package or all of them; says what is wrong with each. Raises ModelError for none."""
    folder = read_settings(config, models=models).models
    files = [package_file(folder, name)] if name else require_packages(folder)
    return max(verify_package(path.parent) for path in files)


def verify_package(folder: Path) -> int:
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


def require_models(folder: Path) -> Path:
    """Raises ModelError where there is no such folder."""
    if not folder.is_dir():
        got = "which is a file" if folder.exists() else "which does not exist"
        raise ModelError(f"expected a folder of model packages, got {folder}, {got}", code="no_packages")
    return folder


def require_packages(folder: Path) -> list[Path]:
    """The package files and drafts of a models folder. Raises ModelError where there is none."""
    files = package_files(require_models(folder))
    if not files:
        raise ModelError(f"expected a folder of model packages, found none in {folder}", code="no_packages")
    return files


def package_file(models: Path, name: str) -> Path:
    """A package's file or draft. Raises UsageError for an unknown name, ModelError without a folder."""
    known = {path.parent.name: path for path in require_packages(models)}
    if name not in known:
        raise UsageError(f"expected one of the packages {', '.join(known)}, got {name!r}")
    return known[name]
