"""Reads a package of a MONAI bundle: [network], [[steps]], [tiling], [outcome], [[labels]]."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from operators.geometry.orientation import is_orientation
from operators.package_files.nnunet_package import direct_label, require_codes
from operators.package_files.package_parts import (
    check_network,
    check_values,
    network_of,
    plain,
    plain_package,
    quality_of,
    tuples,
)
from operators.packages.monai_bundle import STEP_ARGUMENTS, BundlePackage, Outcome, Step, Tiling
from operators.packages.packages import Acceptance
from operators.packages.plans import Origin

ACTIVATIONS = ("softmax", "sigmoid", "none")
DECISIONS = ("greatest", "threshold")
WEIGHTS = ("constant", "gaussian")
PADDINGS = ("constant", "replicate")


def bundle_package_of(table: dict[str, Any], folder: Path) -> BundlePackage:
    """The package that a parsed package.toml describes.

    Raises KeyError, TypeError or ValueError for what does not fit, ModelError where a code is not
    filled in yet.
    """
    tables = ("accepts", "labels", "network", "steps", "tiling", "outcome", "origin", "quality")
    texts = {key: value for key, value in tuples(table).items() if key not in tables}
    require_codes(table["labels"], folder)
    package = plain_package(
        BundlePackage(
            folder=folder,
            accepts=plain(Acceptance(**tuples(table["accepts"])), "accepts"),
            labels=tuple(direct_label(row) for row in table["labels"]),
            network=network_of(table["network"]["name"], without(table["network"], "name"), folder),
            steps=tuple(step_of(row) for row in table["steps"]),
            tiling=plain(Tiling(**tuples(table["tiling"])), "tiling"),
            outcome=plain(Outcome(**without(table["outcome"], "values")), "outcome"),
            outputs=tuple(table["outcome"]["values"]),
            quality=quality_of(table),
            origin=plain(Origin(**tuples(table["origin"])), "origin"),
            **texts,
        )
    )
    check(package)
    return package


def without(row: dict[str, Any], key: str) -> dict[str, Any]:
    """A row but one of its keys, lists as tuples."""
    return {name: value for name, value in tuples(row).items() if name != key}


def step_of(row: dict[str, Any]) -> Step:
    """One [[steps]] table. Raises ValueError for a step or an argument that there is not."""
    if row["name"] not in STEP_ARGUMENTS:
        raise ValueError(f"steps: expected one of {', '.join(STEP_ARGUMENTS)}, got {row['name']!r}")
    arguments = without(row, "name")
    needed, allowed = STEP_ARGUMENTS[row["name"]]
    if needed - set(arguments) or set(arguments) - needed - allowed:
        raise ValueError(f"steps.{row['name']}: expected {sorted(needed)}, got {sorted(arguments)}")
    if not is_orientation(arguments.get("directions", "LPS")):
        raise ValueError(f"steps.orientation: expected such as RAS, got {arguments['directions']!r}")
    return Step(row["name"], arguments)


def check(package: BundlePackage) -> None:
    """Raises ValueError where the parts do not fit each other."""
    network, tiling, outcome = package.network, package.tiling, package.outcome
    check_network(network)
    check_values(package.labels)
    if not package.labels or network.dimensions != 3 or len(package.outputs) != len(network.classes):
        raise ValueError("expected labels, a network of three dimensions and one value for each class")
    if len(tiling.overlap) != 3 or not all(0 <= share < 1 for share in tiling.overlap):
        raise ValueError(f"tiling.overlap: expected three shares of 0 to less than 1, got {tiling.overlap}")
    for value, known in (
        (outcome.activation, ACTIVATIONS), (outcome.decision, DECISIONS), (tiling.weights, WEIGHTS),
        (tiling.padding, PADDINGS), (outcome.connected, (1, 2, 3)),
    ):
        if value not in known:
            raise ValueError(f"expected one of {known}, got {value!r}")
    for label in package.labels:
        if label.first_value not in package.outputs:
            raise ValueError(f"labels.{label.name}.value: expected one that the network writes, got "
                             f"{label.first_value}")
