"""The cases, read from cases.toml, and the simulated CTs of rows of bones."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import TypeAdapter

from benchmarks.accuracy.cases.scan import Scan
from benchmarks.bodies.cases import BodyCase, RealCase, simulated_scan
from operators.packages.toml_files import validated
from training.recipe import Recipe
from training.row_tables import ChangesTable, DeformedRowTable, Table
from training.simulate.sources import Sources
from training.subjects.rows.deformed import deformed_row_subject


class RowCase(Table):
    """[[rows]]: one simulated CT."""

    name: str
    path: str
    names: str | dict[str, str]
    seed: int
    number: int = 0
    part: tuple[float, float] = (0.0, 1.0)
    spacing_mm: float = 1.0
    slices: int = 1
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
    body = BodyCase(
        name=case.name,
        seed=case.seed,
        around=cases.around,
        part=case.part,
        spacing_mm=case.spacing_mm,
        slices=case.slices,
    )
    return simulated_scan(body, subject, list(classes))
