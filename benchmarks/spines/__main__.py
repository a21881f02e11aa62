"""Measures a package of bones in a row on simulated bodies and real CTs; writes docs/row-accuracy.md.

    python -m benchmarks.spines --data DATA [--models MODELS] [--only WORDS ...]

A case is run unless its row in docs/row-accuracy/rows.json comes from the same weights.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks.accuracy.pictures import save_small
from benchmarks.bodies.__main__ import fingerprint
from benchmarks.bodies.cases import RealCase
from benchmarks.spines.cases import RowCase, RowCases, read_cases, scan_of_row
from benchmarks.spines.measuring import Row, bones_of, run_on, score
from benchmarks.spines.page import write_page
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.packages import ModelPackage
from operators.render.preview import draw_preview
from training.calibrate.intact import read_ct
from training.recipe import read_recipe

PAGE, WORK = Path("docs/row-accuracy.md"), Path("out/rows")
PICTURES = PAGE.with_suffix("")
ROWS = PICTURES / "rows.json"


def main() -> None:
    """Runs the cases, then writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--only", nargs="*", default=[], help="words of the names of cases to run")
    given = parser.parse_args()
    cases = read_cases()
    rows: dict[str, Row] = json.loads(ROWS.read_text(encoding="utf-8")) if ROWS.exists() else {}
    if given.data is not None:
        run_cases(cases, given.data, given.models, given.only, rows)
    names = (*(case.name for case in cases.rows), *(case.path for case in cases.real))
    write_page([rows[name] for name in names if name in rows], cases.package, PICTURES, PAGE)


def run_cases(cases: RowCases, data: Path, models: Path, only: Sequence[str], rows: dict[str, Row]) -> None:
    """Runs the cases without a present row; writes the rows after each."""
    package = read_package(models / cases.package / PACKAGE_FILE)
    recipe = read_recipe(models / cases.recipe / "training.toml")
    networks, weights = Networks(Device("auto", 1)), fingerprint([package])
    PICTURES.mkdir(parents=True, exist_ok=True)
    every: tuple[RowCase | RealCase, ...] = (*cases.rows, *cases.real)
    for case in every:
        name = case.name if isinstance(case, RowCase) else case.path
        if rows.get(name, {}).get("weights") == weights or (only and not any(word in name for word in only)):
            continue
        if isinstance(case, RowCase):
            scan = scan_of_row(case, cases, recipe, data, WORK)
            row = score(scan, list(recipe.sources.classes), run_on(scan.ct, package, networks))
        else:
            row = run_real(case, data, package, networks)
        rows[name] = {"case": name, "weights": weights, **row}
        ROWS.write_text(json.dumps(rows, indent=1), encoding="utf-8")
        print(rows[name], flush=True)


def run_real(case: RealCase, data: Path, package: ModelPackage, networks: Networks) -> Row:
    """Returns the row of a real CT, and draws its picture."""
    ct = read_ct(data / case.path)
    made = run_on(ct, package, networks)
    if isinstance(made, str):
        return {"shows": case.shows, "found": [made], "flags": [], "picture": ""}
    name = f"{Path(case.path).name}.png"
    WORK.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_preview(ct, made.label_map, made.segments)).save(WORK / name)
    save_small(WORK / name, PICTURES / name)
    codes = sorted({flag.code for flag in made.flags})
    return {"shows": case.shows, "found": list(bones_of(made)[1].values()), "flags": codes, "picture": name}


if __name__ == "__main__":
    main()
