"""Measures packages that share networks on simulated bodies and real CTs; writes docs/body-accuracy.md.

    python -m benchmarks.bodies --data DATA [--only WORDS ...]

A case is run unless its row in docs/body-accuracy/rows.json comes from the same weights.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from benchmarks.accuracy.pictures import save_small
from benchmarks.bodies.cases import BodyCase, Cases, RealCase, Simulation, read_cases
from benchmarks.bodies.measuring import Row, score_body, segment
from benchmarks.bodies.page import write_page
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.packages import ModelPackage
from operators.packages.structures import read_structures
from operators.render.preview import draw_preview
from training.calibrate.intact import read_ct

MODELS, WORK, PAGE = Path("models"), Path("out/bodies"), Path("docs/body-accuracy.md")
PICTURES = PAGE.with_suffix("")
ROWS = PICTURES / "rows.json"


def main() -> None:
    """Runs the cases, then writes the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--only", nargs="*", default=[], help="words of the names of cases to run")
    given = parser.parse_args()
    cases = read_cases()
    rows: dict[str, Row] = json.loads(ROWS.read_text(encoding="utf-8")) if ROWS.exists() else {}
    if given.data is not None:
        run_cases(cases, given.data, given.only, rows)
    write_page([rows[name] for name in names_of(cases) if name in rows], cases, PICTURES, PAGE)


def names_of(cases: Cases) -> Iterator[str]:
    """Yields the names of all cases."""
    yield from (case.name for case in cases.bodies)
    yield from (case.path for case in cases.real)


def run_cases(cases: Cases, data: Path, only: Sequence[str], rows: dict[str, Row]) -> None:
    """Runs the cases without a present row; writes the rows after each."""
    packages = [read_package(MODELS / name / PACKAGE_FILE) for name in cases.packages]
    weights = fingerprint(packages)
    simulation, networks = Simulation.of(cases, MODELS, data, WORK), Networks(Device("auto", 1))
    PICTURES.mkdir(parents=True, exist_ok=True)
    every: tuple[BodyCase | RealCase, ...] = (*cases.bodies, *cases.real)
    for case in every:
        name = case.name if isinstance(case, BodyCase) else case.path
        if rows.get(name, {}).get("weights") == weights or (only and not any(word in name for word in only)):
            continue
        if isinstance(case, BodyCase):
            row = run_body(case, simulation, packages, networks)
        else:
            row = run_real(case, data, packages, networks)
        rows[name] = {"case": name, "weights": weights, **row}
        ROWS.write_text(json.dumps(rows, indent=1), encoding="utf-8")
        print(rows[name], flush=True)


def fingerprint(packages: Sequence[ModelPackage]) -> str:
    """Returns a short checksum of all networks of the packages."""
    sums = "".join(network.sha256 for package in packages for network in package.networks)
    return hashlib.sha256(sums.encode()).hexdigest()[:16]


def run_body(
    case: BodyCase, simulation: Simulation, packages: Sequence[ModelPackage], networks: Networks
) -> Row:
    """Returns the row of a simulated CT."""
    scan = simulation.scan(case)
    found = segment(scan.ct, packages, networks)
    said = [] if isinstance(found, str) else list(found.warnings)
    return {"warnings": said} | score_body(
        scan, list(simulation.classes), simulation.cases, read_structures(MODELS), found
    )


def run_real(case: RealCase, data: Path, packages: Sequence[ModelPackage], networks: Networks) -> Row:
    """Returns the row of a real CT, and draws its picture."""
    ct = read_ct(data / case.path)
    made = segment(ct, packages, networks)
    if isinstance(made, str):
        return {"shows": case.shows, "code": made, "found": {}, "picture": "", "warnings": []}
    name = f"{Path(case.path).name.split('.')[0]}.png"
    WORK.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_preview(ct, made.label_map, made.segments)).save(WORK / name)
    save_small(WORK / name, PICTURES / name)
    found = Counter(segment.bone for segment in made.segments)
    row = {"shows": case.shows, "code": "segmented", "found": dict(found), "picture": name}
    return row | {"warnings": list(made.warnings)}


if __name__ == "__main__":
    main()
