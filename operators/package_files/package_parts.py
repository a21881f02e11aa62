"""The parts that every package.toml has, each read and checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from operators.bones.anatomy import SIDES
from operators.geometry.largest_component import Largest
from operators.geometry.volume import HIGHEST_VALUE
from operators.intensities.normalisation import SCHEMES
from operators.packages.confidence import Confidence
from operators.packages.monai_bundle import Outcome, Tiling
from operators.packages.packages import (
    Acceptance,
    Code,
    FindRules,
    FragmentRules,
    Label,
    ModelPackage,
    NetworkSpec,
    Normalisation,
    OutlineRules,
    QualityRules,
    SideRules,
)
from operators.packages.plans import Arrangement, Origin, Recipe, Resampling

PLAIN_TYPES: dict[str, type | tuple[type, ...]] = {
    "str": str, "int": int, "float": (int, float), "bool": bool,
}

# Fragments of one bone are counted in a byte
MOST_FRAGMENTS = 255

Part = TypeVar(
    "Part", Acceptance, Arrangement, Code, Confidence, FindRules, FragmentRules, Label, Largest, NetworkSpec,
    Normalisation, Origin, Outcome, OutlineRules, QualityRules, Recipe, Resampling, SideRules, Tiling,
)
Package = TypeVar("Package", bound=ModelPackage)


def network_of(name: str, row: dict[str, Any], folder: Path) -> NetworkSpec:
    """One [networks.NAME] table; the weights' path is relative to the package's folder."""
    if not isinstance(row["weights"], str):
        raise ValueError(f"expected weights as the name of a file, got {row['weights']!r}")
    values = tuples(row) | {"weights": folder / row["weights"]}
    where = f"networks.{name}"
    if "normalisation" in row:
        values["normalisation"] = normalisation_of(row["normalisation"], where)
    return plain(NetworkSpec(name=name, **values), where)


def normalisation_of(row: dict[str, Any], where: str) -> Normalisation:
    """One [normalisation] table. Raises ValueError for an unknown scheme."""
    made = plain(Normalisation(**tuples(row)), f"{where}.normalisation")
    if made.scheme not in SCHEMES:
        raise ValueError(
            f"{where}.normalisation.scheme: expected one of {list(SCHEMES)}, got {made.scheme!r}"
        )
    return made


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


def label_of(row: dict[str, Any]) -> Label:
    """One [[labels]] table."""
    where = f"labels.{row.get('name', '?')}" if isinstance(row, dict) else "labels"
    values: dict[str, Any] = {"laterality": None} | tuples(row)
    for key in ("category", "type", "laterality"):
        if key in row:
            values[key] = plain(Code(**row[key]), f"{where}.{key}")
    return plain(Label(**values), where)


def quality_of(table: dict[str, Any]) -> QualityRules:
    """The [quality] table of a package, if it has one."""
    return plain(QualityRules(**tuples(table.get("quality", {}))), "quality")


def check_values(labels: Iterable[Label]) -> None:
    """Raises ValueError where two labels share a value, or a side is neither left nor right."""
    taken: set[int] = set()
    for label in labels:
        fits = 0 < label.first_value <= label.last_value <= HIGHEST_VALUE
        if taken & set(label.values) or not fits or len(label.values) > MOST_FRAGMENTS:
            text = f"expected values of its own in 1..{HIGHEST_VALUE}, got {label.values}"
            raise ValueError(f"labels.{label.name}: {text}")
        taken |= set(label.values)
        if label.laterality is not None and label.laterality.value not in SIDES:
            raise ValueError(f"labels.{label.name}.laterality: expected one of {SIDES}")
        for limits in (label.plausible_ml, label.plausible_mm):
            if limits and (len(limits) != 2 or not 0 < limits[0] < limits[1]):
                raise ValueError(f"labels.{label.name}: expected a least and a greatest size, got {limits}")


def plain(part: Part, where: str) -> Part:
    """`part`, unless a field holds another type than it says; then TypeError."""
    check_types(part, where)
    return part


def plain_package(package: Package) -> Package:
    """Returns a whole package, unless a field holds another type than it says; then TypeError."""
    check_types(package, "package")
    return package


def check_types(part: Any, where: str) -> None:
    """Raises TypeError where a field of a dataclass holds another type than it says."""
    for field in fields(part):
        value = getattr(part, field.name)
        said = str(field.type)
        wanted = tuple if said.startswith("tuple") else PLAIN_TYPES.get(said, object)
        if not isinstance(value, wanted):
            raise TypeError(f"{where}.{field.name}: expected {said}, got {value!r}")


def tuples(row: dict[str, Any]) -> dict[str, Any]:
    """Lists as tuples, for frozen values."""
    if not isinstance(row, dict):
        raise TypeError(f"expected a table, got {row!r}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
