"""A package as plain values, for tables and JSON."""

from __future__ import annotations

from typing import Any

from operators.packages.packages import Label, ModelPackage, NetworkSpec


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
