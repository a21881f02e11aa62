"""Measures a package of bones in a row on simulated bodies and real CTs; writes docs/row-accuracy.md.

    python -m benchmarks.spines --data DATA [--models MODELS] [--only WORDS ...]

A case is run unless its row in docs/row-accuracy/rows.json comes from the same weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

from benchmarks.bodies.cases import RealCase
from benchmarks.kept_rows import KeptRows, Row, fingerprint
from benchmarks.spines.cases import RowCase, RowCases, read_cases, scan_of_row
from benchmarks.spines.measuring import bones_of, run_on, score
from benchmarks.spines.page import write_page
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.packages import ModelPackage
from training.command_line import MANY, run
from training.ct_files import read_ct
from training.recipe import Recipe, read_recipe

PAGE, WORK = Path("docs/row-accuracy.md"), Path("out/rows")


def main(
    *,
    data: Path | None = None,
    models: Path = Path("models"),
    only: Annotated[tuple[str, ...], MANY] = (),
) -> None:
    """Runs the cases, or those whose names have some words, then writes the page."""
    cases, kept = read_cases(), KeptRows(PAGE)
    if data is not None:
        package = read_package(models / cases.package / PACKAGE_FILE)
        recipe = read_recipe(models / cases.recipe / "training.toml")
        kept.run(runs_of(cases, data, recipe, package, kept), fingerprint([package]), only)
    names = (*(case.name for case in cases.rows), *(case.path for case in cases.real))
    rows = [kept.rows[name] for name in names if name in kept.rows]
    remarks = {case.path: case.remark for case in cases.real}
    write_page(rows, cases.package, remarks, kept.pictures, PAGE)


def runs_of(
    cases: RowCases, data: Path, recipe: Recipe, package: ModelPackage, kept: KeptRows
) -> dict[str, Callable[[], Row]]:
    """Returns what makes the row of each case, by its name."""
    networks = Networks(Device("auto", 1))
    return {
        **{case.name: partial(run_row, case, cases, recipe, data, package, networks) for case in cases.rows},
        **{case.path: partial(run_real, case, data, package, networks, kept) for case in cases.real},
    }


def run_row(
    case: RowCase, cases: RowCases, recipe: Recipe, data: Path, package: ModelPackage, networks: Networks
) -> Row:
    """Returns the row of a simulated CT."""
    scan = scan_of_row(case, cases, recipe, data, WORK)
    return score(scan, list(recipe.sources.classes), run_on(scan.ct, package, networks))


def run_real(case: RealCase, data: Path, package: ModelPackage, networks: Networks, kept: KeptRows) -> Row:
    """Returns the row of a real CT, and draws its picture."""
    ct = read_ct(data / case.path)
    made = run_on(ct, package, networks)
    if isinstance(made, str):
        return {"shows": case.shows, "found": [made], "flags": [], "picture": ""}
    picture = kept.draw(ct, made, f"{Path(case.path).name}.png", WORK)
    codes = sorted({flag.code for flag in made.flags})
    levels = list(bones_of(made)[1].values())
    return {"shows": case.shows, "found": levels, "flags": codes, "picture": picture}


if __name__ == "__main__":
    run(main, __doc__)
