"""Reads model packages from disk."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from operators.errors import ModelError
from operators.imaging.anatomy import SIDES
from operators.imaging.fragments import STRATEGIES
from operators.imaging.packages import (
    Acceptance,
    Code,
    FragmentRules,
    Label,
    ModelPackage,
    NetworkSpec,
    SideRules,
)

PACKAGE_FILE = "package.toml"
FRACTURE_CLASSES = ("background", "interior", "contact")
PLAIN_TYPES: dict[str, type | tuple[type, ...]] = {"str": str, "int": int, "float": (int, float)}

Part = TypeVar("Part", Acceptance, Code, FragmentRules, Label, ModelPackage, NetworkSpec, SideRules)


def read_packages(models: Path) -> tuple[ModelPackage, ...]:
    """Every package of a models folder, by name. Raises ModelError where there is none."""
    files = sorted(models.glob(f"*/{PACKAGE_FILE}"))
    if not files:
        raise ModelError(
            f"expected a folder of model packages (<name>/{PACKAGE_FILE}), found none in {models}",
            code="no_packages",
        )
    return tuple(read_package(path) for path in files)


def read_package(path: Path) -> ModelPackage:
    """One package.toml. Raises ModelError where a key is missing, of the wrong type or unknown."""
    try:
        return package_of(tomllib.loads(path.read_text(encoding="utf-8")), path.parent)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"expected a model package in {path.parent.name}/{path.name}, could not read it: "
            f"{type(error).__name__} {error}",
            code="package_unreadable",
        ) from error


def package_of(table: dict[str, Any], folder: Path) -> ModelPackage:
    """The package that a parsed package.toml describes."""
    tables = ("accepts", "fragments", "labels", "networks", "sides")
    texts = {key: value for key, value in table.items() if key not in tables}
    networks = tuples(table["networks"]).items()
    parts: dict[str, Any] = {name: network_of(name, row, folder) for name, row in networks}
    parts |= {
        "accepts": plain(Acceptance(**tuples(table["accepts"])), "accepts"),
        "fragments": plain(FragmentRules(**tuples(table["fragments"])), "fragments"),
        "labels": tuple(label_of(row) for row in table["labels"]),
        "sides": plain(SideRules(**tuples(table.get("sides", {}))), "sides"),
    }
    package = plain(ModelPackage(folder=folder, **parts, **texts), "package")
    check_networks(package)
    check_labels(package)
    return package


def check_networks(package: ModelPackage) -> None:
    """Raises ValueError where a network or a strategy does not fit the package."""
    strange = {*package.sides.middle, *package.sides.lateral} - set(package.coarse.classes)
    if strange:
        raise ValueError(f"sides: expected classes of {package.coarse.name}, got {sorted(strange)}")
    known = sorted(STRATEGIES)
    if package.fragments.strategy not in known:
        raise ValueError(f"fragments.strategy: expected one of {known}, got {package.fragments.strategy!r}")
    if len(package.fragments.fracture_logit) != 4:
        raise ValueError("fragments.fracture_logit: expected a constant and three factors")
    if package.fracture.classes != FRACTURE_CLASSES:
        raise ValueError(f"networks.fracture.classes: expected {FRACTURE_CLASSES}")
    for spec in package.networks:
        check_network(spec)
        if set(spec.guide) - set(package.coarse.classes) or (spec.guide and spec is package.coarse):
            raise ValueError(f"networks.{spec.name}.guide: expected classes of {package.coarse.name}")


def check_network(spec: NetworkSpec) -> None:
    """Raises ValueError where what a network reads and gives does not fit together."""
    if len(spec.patch) != spec.dimensions or min(spec.spacing_mm) <= 0:
        raise ValueError(f"networks.{spec.name}: expected one positive spacing_mm for each side of patch")
    if len(spec.window_hu) != 2 or spec.window_hu[0] >= spec.window_hu[1]:
        raise ValueError(f"networks.{spec.name}.window_hu: expected low and high, got {spec.window_hu}")
    if spec.arguments.get("outputs", len(spec.classes)) != len(spec.classes):
        raise ValueError(f"networks.{spec.name}: expected as many outputs as classes")
    if spec.arguments.get("inputs", spec.inputs) != spec.inputs:
        raise ValueError(f"networks.{spec.name}: expected one input and one more for each class of the guide")


def check_labels(package: ModelPackage) -> None:
    """Raises ValueError where the labels do not fit each other or the networks."""
    taken: set[int] = set()
    for label in package.labels:
        if taken & set(label.values) or not 0 < label.first_value <= label.last_value <= 255:
            raise ValueError(f"labels.{label.name}: expected values of its own in 1..255, got {label.values}")
        taken |= set(label.values)
        if label.laterality is not None and label.laterality.value not in SIDES:
            raise ValueError(f"labels.{label.name}.laterality: expected one of {SIDES}")
        for spec, wanted in ((package.coarse, label.coarse_class), (package.fine, label.fine_class)):
            if wanted not in spec.classes:
                raise ValueError(f"labels.{label.name}: expected a class of {spec.name}, got {wanted!r}")


def network_of(name: str, row: dict[str, Any], folder: Path) -> NetworkSpec:
    """One [networks.NAME] table; the weights' path is relative to the package's folder."""
    row = tuples(row) | {"weights": folder / row["weights"]}
    return plain(NetworkSpec(name=name, **row), f"networks.{name}")


def label_of(row: dict[str, Any]) -> Label:
    """One [[labels]] table."""
    where = f"labels.{row.get('name', '?')}" if isinstance(row, dict) else "labels"
    values: dict[str, Any] = {"laterality": None} | tuples(row)
    for key in ("category", "type", "laterality"):
        if key in row:
            values[key] = plain(Code(**row[key]), f"{where}.{key}")
    return plain(Label(**values), where)


def plain(part: Part, where: str) -> Part:
    """`part`, unless a field holds another type than it says; then TypeError."""
    for field in fields(part):
        value = getattr(part, field.name)
        said = str(field.type)
        wanted = tuple if said.startswith("tuple") else PLAIN_TYPES.get(said, object)
        if not isinstance(value, wanted):
            raise TypeError(f"{where}.{field.name}: expected {said}, got {value!r}")
    return part


def tuples(row: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, for frozen values."""
    if not isinstance(row, dict):
        raise TypeError(f"expected a table, got {row!r}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
