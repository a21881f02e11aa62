"""Measures packages that share networks on simulated bodies and real CTs; writes docs/body-accuracy.md.

    python -m benchmarks.bodies --data DATA [--only WORDS ...]

A case is run unless its row in docs/body-accuracy/rows.json comes from the same weights.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from benchmarks.bodies.cases import BodyCase, Cases, RealCase, Simulation, read_cases
from benchmarks.bodies.measuring import score_body, segment
from benchmarks.bodies.page import write_page
from benchmarks.kept_rows import KeptRows, Row, fingerprint
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_package
from operators.packages.packages import ModelPackage
from operators.packages.structures import read_structures
from training.command_line import MANY, run
from training.ct_files import read_ct

MODELS, WORK, PAGE = Path("models"), Path("out/bodies"), Path("docs/body-accuracy.md")


def main(*, data: Path | None = None, only: Annotated[tuple[str, ...], MANY] = ()) -> None:
    """Runs the cases, or those whose names have some words, then writes the page."""
    cases, kept = read_cases(), KeptRows(PAGE)
    if data is not None:
        packages = [read_package(MODELS / name / PACKAGE_FILE) for name in cases.packages]
        kept.run(runs_of(cases, data, packages, kept), fingerprint(packages), only)
    names = (*(case.name for case in cases.bodies), *(case.path for case in cases.real))
    write_page([kept.rows[name] for name in names if name in kept.rows], cases, kept.pictures, PAGE)


def runs_of(
    cases: Cases, data: Path, packages: Sequence[ModelPackage], kept: KeptRows
) -> dict[str, Callable[[], Row]]:
    """Returns what makes the row of each case, by its name."""
    simulation, networks = Simulation.of(cases, MODELS, data, WORK), Networks(Device("auto", 1))
    return {
        **{case.name: partial(run_body, case, simulation, packages, networks) for case in cases.bodies},
        **{case.path: partial(run_real, case, data, packages, networks, kept) for case in cases.real},
    }


def run_body(
    case: BodyCase, simulation: Simulation, packages: Sequence[ModelPackage], networks: Networks
) -> Row:
    """Returns the row of a simulated CT."""
    scan = simulation.scan(case)
    found = segment(scan.ct, packages, networks)
    said = [] if isinstance(found, str) else list(found.warnings)
    names, structures = list(simulation.classes), read_structures(MODELS)
    return {"warnings": said} | score_body(scan, names, simulation.cases, structures, found)


def run_real(
    case: RealCase, data: Path, packages: Sequence[ModelPackage], networks: Networks, kept: KeptRows
) -> Row:
    """Returns the row of a real CT, and draws its picture."""
    ct = read_ct(data / case.path)
    made = segment(ct, packages, networks)
    if isinstance(made, str):
        return {"shows": case.shows, "code": made, "found": {}, "picture": "", "warnings": []}
    picture = kept.draw(ct, made, f"{Path(case.path).name.split('.')[0]}.png", WORK)
    found = Counter(segment.bone for segment in made.segments)
    row = {"shows": case.shows, "code": "segmented", "found": dict(found), "picture": picture}
    return row | {"warnings": list(made.warnings)}


if __name__ == "__main__":
    run(main, __doc__)
