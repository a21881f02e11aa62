"""The fracture network that packages share, for the bones of another package.

It was trained on single bones, whoever outlined them. The structures that it splits are those that a package
with this network delivers already.
"""

from __future__ import annotations

import os
import shutil
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from operators.errors import ModelError
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import MEASURABLE, NAMED
from operators.packages.plans import NnUNetFragmentsPackage
from operators.process.installation import bundled_models

FRACTURE_FILE = "fracture.safetensors"
# Values that a bone and its fragments get at least: as PENGWIN's convention counts them
VALUES_OF_A_BONE = 10
# What a package takes from the one whose fracture network it shares: the rest is of that one's own bones
CONFIDENCE = ("fracture", "contact", "operating_points", "fitted_on")
QUALITY = ("thickest_mm", "coarsest_mm")
# A row of levels needs a network of its own
SHARED_NAMES = ("neer_parts",)


@dataclass(frozen=True)
class SharedFracture:
    """The fracture network that packages share: its tables in the package that was read, its weights, and
    the tables of the packages that use it, by structure.
    """

    tables: Mapping[str, Any]
    weights: Path
    users: Mapping[str, Mapping[str, Any]]

    @property
    def rules(self) -> dict[str, Any]:
        """The tables [fragments], [quality] and [confidence] of a package that shares the network."""
        confidence, quality = (self.tables.get(name, {}) for name in ("confidence", "quality"))
        own = {key: confidence[key] for key in CONFIDENCE if key in confidence}
        return {
            "fragments": self.tables["fragments"],
            "quality": {key: quality[key] for key in QUALITY if key in quality},
            **({"confidence": own} if own else {}),
        }

    def network(self, models: Path, folder: Path) -> dict[str, Any]:
        """Returns [networks.fracture] of a package that is made in `folder`, see `place_weights`."""
        return {
            **self.tables["networks"]["fracture"],
            "weights": place_weights(self.weights, models, folder),
        }

    def splits(self, row: Mapping[str, Any]) -> bool:
        """Returns whether a row of [[labels]] is a bone that the network splits."""
        return row.get("structure") in self.users

    def package(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Returns the tables of a published network whose bones, rows of [[labels]], it splits.

        Measurements and names are those of the packages that deliver these bones otherwise.
        """
        users = [self.users[row["structure"]] for row in rows if self.splits(row)]
        wanted = {name for tables in users for name in tables.get("measurements", ())}
        names = {tables.get("names") for tables in users} & set(SHARED_NAMES)
        return {
            "kind": NnUNetFragmentsPackage.kind,
            "names": next(iter(names), NAMED[0]),
            **({"measurements": [name for name in MEASURABLE if name in wanted]} if wanted else {}),
            **self.rules,
            "labels": list(self.with_values(rows)),
        }

    def with_values(self, rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yields the rows with values for the fragments of each; a bone that is not split gets one."""
        first = 1
        for row in rows:
            last = first + (VALUES_OF_A_BONE if self.splits(row) else 1) - 1
            yield {**row, "fragments": [first, last]}
            first = last + 1


def place_weights(weights: Path, models: Path, folder: Path) -> str:
    """Returns how a package that is made in `folder` and belongs into `models` names shared weights: by their
    place in the models folder, or as a copy of its own if they lie elsewhere.
    """
    if weights.is_relative_to(models.resolve()):
        return os.path.relpath(weights, models.resolve() / folder.name)
    return shutil.copyfile(weights, folder / FRACTURE_FILE).name


def shared_fracture(models: Path) -> SharedFracture:
    """Returns the fracture network of an installed package, else of a bundled one. Raises ModelError."""
    found: SharedFracture | None = None
    users: dict[str, Mapping[str, Any]] = {}
    for folder in dict.fromkeys((models.resolve(), bundled_models().resolve())):
        for path in sorted(folder.glob(f"*/{PACKAGE_FILE}")):
            package = read_package(path)
            if isinstance(package, CoarseToFinePackage) and package.fracture.weights.is_file():
                tables = tomllib.loads(path.read_text(encoding="utf-8"))
                found = found or SharedFracture(tables, package.fracture.weights.resolve(), users)
                for structure in (row["structure"] for row in tables["labels"] if "structure" in row):
                    users.setdefault(structure, tables)
    if found is None:
        raise ModelError(f"expected a package with a fracture network in {models} to share it, found none")
    return found
