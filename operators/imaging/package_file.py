"""Reads model packages from disk."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from operators.errors import ModelError
from operators.imaging.fragments import STRATEGIES
from operators.imaging.packages import Acceptance, Code, FragmentRules, Label, ModelPackage, NetworkSpec

PACKAGE_FILE = "package.toml"


def read_packages(models: Path) -> tuple[ModelPackage, ...]:
    """Every package of a models folder, by name. Raises ModelError where there is none."""
    files = sorted(models.glob(f"*/{PACKAGE_FILE}"))
    if not files:
        raise ModelError(
            f"expected a folder of model packages (<name>/{PACKAGE_FILE}), found none in {models}", code="no_packages"
        )
    return tuple(read_package(path) for path in files)


def read_package(path: Path) -> ModelPackage:
    """One package.toml. Raises ModelError where a key is missing, of the wrong type or unknown."""
    try:
        return package_of(tomllib.loads(path.read_text(encoding="utf-8")), path.parent)
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"expected a model package in {path.parent.name}/{path.name}, could not read it: "
            f"{type(error).__name__} {error}",
            code="package_unreadable",
        ) from error


def package_of(table: dict[str, Any], folder: Path) -> ModelPackage:
    """The package that a parsed package.toml describes."""
    networks = {name: network_of(name, row, folder) for name, row in table.pop("networks").items()}
    package = ModelPackage(
        accepts=Acceptance(**tuples(table.pop("accepts"))),
        fragments=FragmentRules(**table.pop("fragments")),
        labels=tuple(label_of(row) for row in table.pop("labels")),
        folder=folder,
        **networks,
        **table,
    )
    check(package)
    return package


def check(package: ModelPackage) -> None:
    """Raises ValueError where the parts of a package do not fit each other."""
    if package.fragments.strategy not in STRATEGIES:
        raise ValueError(f"fragments.strategy: expected one of {sorted(STRATEGIES)}, got {package.fragments.strategy!r}")
    taken: set[int] = set()
    for label in package.labels:
        if taken & set(label.values) or not 0 < label.first_value <= label.last_value <= 255:
            raise ValueError(f"labels.{label.name}: expected values of its own in 1..255, got {label.values}")
        taken |= set(label.values)
        for spec, wanted in ((package.coarse, label.coarse_class), (package.fine, label.fine_class)):
            if wanted not in spec.classes:
                raise ValueError(f"labels.{label.name}: expected a class of {spec.name}, got {wanted!r}")


def network_of(name: str, row: dict[str, Any], folder: Path) -> NetworkSpec:
    """One [networks.NAME] table; the weights' path is relative to the package's folder."""
    weights = folder / row.pop("weights")
    return NetworkSpec(name=name, weights=weights, **tuples(row))


def label_of(row: dict[str, Any]) -> Label:
    """One [[labels]] table."""
    codes = {key: Code(**row[key]) for key in ("category", "type", "laterality") if key in row}
    return Label(**{"laterality": None, **tuples(row), **codes})


def tuples(row: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, for frozen values."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
