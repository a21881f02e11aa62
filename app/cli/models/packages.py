"""`osteon models`: lists and checks packages, and makes packages of published networks."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cyclopts import App
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.arguments import Config, Json, Models
from app.settings import read_settings
from operators.errors import ModelError, OsteonError, UsageError
from operators.importing.versions import rollback
from operators.networks.weight_size import size_fault
from operators.package_files.package_reader import DRAFT_FILE, PACKAGE_FILE, read_package
from operators.packages.packages import Label, ModelPackage, NetworkSpec

DONE = 0

models_app = App(name="models", help="Model packages: list, show, install, import, verify, rollback, bench.")


@models_app.command(name="list")
def list_(*, models: Models = None, config: Config = None, json_: Json = False) -> int:
    """List the packages of the models folder, and drafts whose labels are not filled in yet."""
    folder = require_models(read_settings(config, models=models).models)
    rows = [list_packages(path) for path in package_files(folder)]
    if json_:
        print(json.dumps(rows, indent=2, ensure_ascii=False))
        return DONE
    if not rows:
        print(f"no model packages in {folder}; `osteon models import` makes one from a published model")
    for row in rows:
        show_listed(row, Console(soft_wrap=False))
    return DONE


@models_app.command
def show(name: str, /, *, models: Models = None, config: Config = None, json_: Json = False) -> int:
    """Show one package: its networks, what they read, and its labels with their codes.

    Parameters
    ----------
    name
        Name of a package.
    """
    about = describe_package(read_package(package_file(read_settings(config, models=models).models, name)))
    if json_:
        print(json.dumps(about, indent=2, ensure_ascii=False))
        return DONE
    print(f"{about['name']} {about['version']}: {about['title']}")
    for row in about["networks"]:
        print(f"  network {row['name']}: " + ", ".join(facts(row)))
    for row in about["labels"]:
        print(f"  label {row['values']}: {row['meaning']} ({row['code']})")
    return DONE


models_app.command(
    "app.cli.models.importing:import_",
    name="import",
    help="Make a package of the model in FOLDER (nnU-Net v1 or v2, MONAI bundle). Nothing of it is executed.",
)

models_app.command(
    "app.cli.models.installing:install",
    name="install",
    help="Fetch the published model NAME and make packages of it; without NAME, list what can be fetched.",
)


@models_app.command
def verify(name: str | None = None, /, *, models: Models = None, config: Config = None) -> int:
    """Check files, checksums, labels and networks of one package or all; a completed draft becomes a package.

    Parameters
    ----------
    name
        Name of a package; default: all packages.
    """
    folder = read_settings(config, models=models).models
    files = [package_file(folder, name)] if name else require_packages(folder)
    return max(verify_package(path.parent) for path in files)


@models_app.command(name="rollback")
def rollback_(name: str, /, *, models: Models = None, config: Config = None) -> int:
    """Take the version of a package before the one in use.

    Parameters
    ----------
    name
        Name of a package.
    """
    now, before = rollback(package_file(read_settings(config, models=models).models, name).parent)
    print(f"{name}: version {before} is in use again, {now} is withdrawn")
    return DONE


models_app.command(
    "app.cli.models.bench:bench",
    name="bench",
    help="Measure the networks of one package or all on this machine: seconds per patch, GFLOP/s, memory.",
)


def show_listed(row: dict[str, str], console: Console) -> None:
    """Prints one package; on a terminal the text wraps beside name and state, otherwise it is one line."""
    head = f"{row['name']:14} {row['state']:7} "
    if not console.is_terminal:
        print(f"{head}{row['text']}")
        return
    table = Table.grid()
    table.add_row(Text(head), Text(row["text"]))
    console.print(table)


def list_packages(path: Path) -> dict[str, str]:
    """Returns name, state (ready, draft, broken) and a text of a package; checksums are not checked."""
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
        text = f"labels filled in; to make it a package: osteon models verify {name}"
        return {"name": name, "state": "draft", "text": text}
    text = f"{package.title}, {len(package.networks)} networks, {len(package.labels)} labels"
    return {"name": package.name, "state": "ready", "text": text}


def describe_package(package: ModelPackage) -> dict[str, Any]:
    """Returns a package as plain values."""
    return {
        "name": package.name,
        "version": package.version,
        "title": package.title,
        "networks": [network_row(spec) for spec in package.networks],
        "labels": [label_row(label) for label in package.labels],
    }


def network_row(spec: NetworkSpec) -> dict[str, Any]:
    """Returns a network as plain values."""
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
    """Returns a label as plain values."""
    values = label.values
    span = f"{values.start}" if len(values) == 1 else f"{values.start}-{values.stop - 1}"
    parts = (label.structure.type, label.structure.laterality)
    return {
        "values": span,
        "meaning": label.meaning,
        "code": " ".join(f"{p.scheme} {p.value}" for p in parts if p),
    }


def facts(network: dict[str, Any]) -> Iterator[str]:
    """Yields phrases about a network: architecture, input, classes, checksum."""
    yield network["architecture"]
    yield f"patches of {times(network['patch'])} at {times(network['spacing_mm'])} mm"
    yield f"normalisation {network['normalisation']}"
    yield f"{network['classes']} classes"
    yield f"SHA-256 {network['sha256']}..."


def times(sides: Sequence[float]) -> str:
    """Returns the sides of a box as text, such as "96 x 96 x 64"."""
    return " x ".join(f"{side:g}" for side in sides)


def verify_package(folder: Path) -> int:
    """Checks one package, prints the outcome and returns its exit code."""
    from operators.importing.install import verify as verify_files

    try:
        package = verify_files(folder)
    except OsteonError as error:
        print(f"osteon: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{package.name}: {len(package.networks)} networks, {len(package.labels)} labels, all verified")
    return DONE


def package_files(models: Path) -> list[Path]:
    """Returns the package files and drafts of a models folder, sorted by name."""
    return sorted(path for kind in (PACKAGE_FILE, DRAFT_FILE) for path in models.glob(f"*/{kind}"))


def require_models(folder: Path) -> Path:
    """Returns `folder`. Raises ModelError if it is not a folder."""
    if not folder.is_dir():
        got = "which is a file" if folder.exists() else "which does not exist"
        raise ModelError(f"expected a folder of model packages, got {folder}, {got}", code="no_packages")
    return folder


def require_packages(folder: Path) -> list[Path]:
    """Returns the package files and drafts of a models folder. Raises ModelError if there is none."""
    files = package_files(require_models(folder))
    if not files:
        raise ModelError(f"expected a folder of model packages, found none in {folder}", code="no_packages")
    return files


def package_file(models: Path, name: str) -> Path:
    """Returns a package's file or draft. Raises UsageError for an unknown name, ModelError without models."""
    known = {path.parent.name: path for path in require_packages(models)}
    if name not in known:
        raise UsageError(f"expected one of the packages {', '.join(known)}, got {name!r}")
    return known[name]
