"""The cases, read from cases.toml, and the simulated CTs of rows of bones."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.accuracy.cases.scan import Scan
from benchmarks.bodies.cases import RealCase, SimulatedCase, simulated_scan
from operators.packages.toml_files import validated
from training.recipe import Recipe
from training.row_tables import ChangesTable, DeformedRowTable, Table
from training.simulate.sources import Sources
from training.subjects.rows.deformed import deformed_row_subject


class RowCase(SimulatedCase):
    """[[rows]]: one simulated CT."""

    path: str
    names: str | dict[str, str]
    number: int = 0
    changes: ChangesTable = ChangesTable()


class RowCases(Table):
    """cases.toml."""

    recipe: str
    package: str
    around: tuple[str, ...]
    rows: tuple[RowCase, ...]
    real: tuple[RealCase, ...]


def read_cases() -> RowCases:
    """Returns the content of cases.toml."""
    table = tomllib.loads(Path(__file__).with_name("cases.toml").read_text(encoding="utf-8"))
    return validated(TypeAdapter(RowCases), table)


def scan_of_row(case: RowCase, cases: RowCases, recipe: Recipe, data: Path, cache: Path) -> Scan:
    """Returns the CT of a case and its ground truth, whose values are the recipe's classes from 1."""
    classes = {name: list(patterns) for name, patterns in recipe.sources.classes.items()}
    table = DeformedRowTable(path=case.path, names=case.names, count=1, changes=case.changes)
    subject = Sources(recipe, data, cache).kept(
        f"row {table} {case.number} {classes}",
        lambda: deformed_row_subject(data, table, classes, case.number),
    )
    return simulated_scan(case, subject, list(classes), cases.around)
