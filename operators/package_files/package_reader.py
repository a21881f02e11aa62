"""Reads model packages from disk."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from operators.bones.anatomy import KEPT
from operators.errors import ModelError, reason
from operators.fragments.watershed import STRATEGIES
from operators.package_files.monai_bundle_package import bundle_package_of
from operators.package_files.nnunet_package import arranged_package_of, direct_package_of
from operators.package_files.package_parts import (
    check_network,
    check_values,
    label_of,
    network_of,
    plain,
    plain_package,
    quality_of,
    tuples,
)
from operators.packages.confidence import Confidence
from operators.packages.packages import (
    Acceptance,
    FindRules,
    FracturePackage,
    FragmentRules,
    ModelPackage,
    OutlineRules,
    SideRules,
)

PACKAGE_FILE = "package.toml"
# A package whose labels have no codes yet; no package until they have
DRAFT_FILE = "package.draft.toml"
FRACTURE_CLASSES = ("background", "interior", "contact")


def read_packages(models: Path) -> tuple[ModelPackage, ...]:
    """Every package of a models folder, by name. Raises ModelError where there is none."""
    files = sorted(models.glob(f"*/{PACKAGE_FILE}"))
    if not files:
        raise ModelError(
            f"expected a folder of model packages (<name>/{PACKAGE_FILE}), found none in {models}",
            code="no_packages",
        )
    return tuple(read_package(path) for path in files)


def refuse_draft(models: Path, name: str) -> None:
    """Raises ModelError where the package of that name is a draft."""
    draft = models / name / DRAFT_FILE
    if draft.is_file():
        read_package(draft)
        raise ModelError(f"{name} is a draft still; make it a package: osteon models verify {name}")


def read_package(path: Path) -> ModelPackage:
    """One package.toml. Raises ModelError where a key is missing, of the wrong type or unknown."""
    try:
        return package_of(tomllib.loads(path.read_text(encoding="utf-8")), path.parent)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ModelError(
            f"expected a model package in {path.parent.name}/{path.name}, could not read it: "
            f"{reason(error)}",
            code="package_unreadable",
        ) from error


def read_fracture_package(path: Path) -> FracturePackage:
    """Reads a package of the coarse-to-fine pipeline. Raises ModelError for another."""
    package = read_package(path)
    if not isinstance(package, FracturePackage):
        raise ModelError(f"expected a package with coarse, fine and fracture networks, got {package.name}")
    return package


def package_of(table: dict[str, Any], folder: Path) -> ModelPackage:
    """The package that a parsed package.toml describes."""
    read = next((READERS[key] for key in READERS if key in table), fracture_package_of)
    return read(table, folder)


def fracture_package_of(table: dict[str, Any], folder: Path) -> FracturePackage:
    """A package of Osteon's own chain, which has [networks.*]."""
    tables = (
        "accepts", "confidence", "find", "fragments", "labels", "networks", "outline", "quality", "sides",
    )
    texts = {key: value for key, value in table.items() if key not in tables}
    networks = tuples(table["networks"]).items()
    parts: dict[str, Any] = {name: network_of(name, row, folder) for name, row in networks}
    parts |= {
        "accepts": plain(Acceptance(**tuples(table["accepts"])), "accepts"),
        "confidence": plain(Confidence(**tuples(table.get("confidence", {}))), "confidence"),
        "find": plain(FindRules(**tuples(table.get("find", {}))), "find"),
        "fragments": plain(FragmentRules(**tuples(table["fragments"])), "fragments"),
        "labels": tuple(label_of(row) for row in table["labels"]),
        "outline": plain(OutlineRules(**table["outline"]), "outline") if "outline" in table else None,
        "quality": quality_of(table),
        "sides": plain(SideRules(**tuples(table.get("sides", {}))), "sides"),
    }
    package = plain_package(FracturePackage(folder=folder, **parts, **texts))
    check_rules(package)
    check_networks(package)
    check_labels(package)
    check_confidence(package.confidence)
    return package


# Which table of package.toml tells which kind of package it is
READERS: dict[str, Callable[[dict[str, Any], Path], ModelPackage]] = {
    "steps": bundle_package_of,
    "fracture": arranged_package_of,
    "network": direct_package_of,
    "networks": fracture_package_of,
}


def check_rules(package: FracturePackage) -> None:
    """Raises ValueError for a strategy that is not known, or a number out of its range."""
    for where, given, known in (
        ("find.keep", package.find.keep, KEPT),
        ("fragments.strategy", package.fragments.strategy, STRATEGIES),
    ):
        if given not in known:
            raise ValueError(f"{where}: expected one of {sorted(known)}, got {given!r}")
    if len(package.fragments.fracture_logit) != 4:
        raise ValueError("fragments.fracture_logit: expected a constant and three factors")
    if package.outline is not None and not 0 < package.outline.edge < 1:
        raise ValueError(f"outline.edge: expected a share between 0 and 1, got {package.outline.edge}")


def check_networks(package: FracturePackage) -> None:
    """Raises ValueError where a network does not fit the package."""
    strange = {*package.sides.middle, *package.sides.lateral} - set(package.coarse.classes)
    if strange:
        raise ValueError(f"sides: expected classes of {package.coarse.name}, got {sorted(strange)}")
    if package.fracture.classes != FRACTURE_CLASSES:
        raise ValueError(f"networks.fracture.classes: expected {FRACTURE_CLASSES}")
    for spec in package.networks:
        check_network(spec)
        if set(spec.guide) - set(package.coarse.classes) or (spec.guide and spec is package.coarse):
            raise ValueError(f"networks.{spec.name}.guide: expected classes of {package.coarse.name}")


def check_confidence(confidence: Confidence) -> None:
    """Raises ValueError where a calibration is neither absent nor a constant and a rising factor."""
    for name in ("bone", "fracture", "contact"):
        line = getattr(confidence, name)
        if line and (len(line) != 2 or line[1] < 0):
            raise ValueError(f"confidence.{name}: expected a constant and a factor of 0 or more, got {line}")


def check_labels(package: FracturePackage) -> None:
    """Raises ValueError where the labels do not fit each other or the networks."""
    check_values(package.labels)
    for label in package.labels:
        for spec, wanted in ((package.coarse, label.coarse_class), (package.fine, label.fine_class)):
            if wanted not in spec.classes:
                raise ValueError(f"labels.{label.name}: expected a class of {spec.name}, got {wanted!r}")
