"""The cases of the panel, in running order."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

from benchmarks.accuracy.cases.degradations import cut, noise, thick_slices
from benchmarks.accuracy.cases.metal import with_metal
from benchmarks.accuracy.cases.patients import PATIENTS, patient_scan
from benchmarks.accuracy.cases.scan import Scan, boneless_scan, intact_scan, intact_scans, simulated_scan
from benchmarks.accuracy.cases.turns import mirrored, stored, turned
from benchmarks.panel import PANEL
from operators.packages.operating_points import SENSITIVE
from operators.packages.packages import Label
from training.phantoms.fractures import FRACTURES

SHIPPED = "shipped"
# Runs at both operating points; those of the patients at the specific one are in their own group
POINTS = "operating_points"
Build = Callable[[], Scan]
Change = Callable[[Scan], Scan]

# The scans that are degraded: the patient whom training never saw, and one of the procedural CTs
DEGRADED_PATIENT, DEGRADED_SIMULATED = "003", "left wing and pubis, left ala"
PATIENT_NAME, SIMULATED_NAME = f"patient {DEGRADED_PATIENT}", "procedural CT"


@dataclass(frozen=True)
class Case:
    """One run: `networks` is "shipped", "sensitive" (the same at that operating point), or the patient whom
    those networks never saw.

    Without `fragments` the pipeline ends with the bones' outlines, which takes half the time.
    """

    group: str
    name: str
    build: Build
    networks: str = SHIPPED
    fragments: bool = True


@dataclass(frozen=True)
class Source:
    """Inputs of the cases: data and working folder, labels, training data, CTs without a known fracture."""

    data: Path
    work: Path
    labels: tuple[Label, ...]
    trained_on: frozenset[str]
    intact: tuple[str, ...] = ()


def trained_on(recipe: Path) -> frozenset[str]:
    """Returns the real scans and bone sets that a training.toml names, relative to the data folder."""
    table = tomllib.loads(recipe.read_text(encoding="utf-8"))
    sets = [row["folder"] for row in table["bone_sets"]]
    return frozenset([*sets, *(path for row in table["negatives"] for path in row["paths"])])


def intact_cts(recipe: Path) -> tuple[str, ...]:
    """Returns the CTs without a known fracture, relative to the data folder: training.toml's and others."""
    table = tomllib.loads(recipe.read_text(encoding="utf-8"))
    return (*table["calibration"].get("intact", ()), *PANEL.intact)


def panel(source: Source, held_out: Sequence[str]) -> Iterator[Case]:
    """Yields all cases; for the patients in `held_out` there are networks that never saw them."""
    patients = {
        name: lru_cache(1)(partial(patient_scan, source.data, name, source.work)) for name in PATIENTS
    }
    for name in PATIENTS:
        yield Case("patients", name, patients[name])
        if name in held_out:
            yield Case("patients", name, patients[name], networks=name)
    for name, build in intact_scans(source.data, source.intact).items():
        yield Case(POINTS, name, build)
        yield Case(POINTS, name, build, networks=SENSITIVE)
    for name in PATIENTS:
        yield Case(POINTS, name, patients[name], networks=SENSITIVE)
    for name, build in negatives(source.data, set(source.trained_on)).items():
        yield Case("negatives", name, build)
    for name in FRACTURES:
        yield Case("simulated", name, partial(simulated_scan, name))
    base = patients[DEGRADED_PATIENT]
    yield from degraded(PATIENT_NAME, base, source.labels, fragments=True)
    base = lru_cache(1)(partial(simulated_scan, DEGRADED_SIMULATED))
    yield from degraded(SIMULATED_NAME, base, source.labels, fragments=False)


def degraded(prefix: str, base: Build, labels: Sequence[Label], fragments: bool) -> Iterator[Case]:
    """Yields the cases of one scan, each with one change."""
    # Positions must not lower any metric
    for group, changes in (("positions", positions(labels)), ("degradations", degradations())):
        for name, change in changes.items():
            build = partial(changed, base, change)
            yield Case(group, f"{prefix}: {name}", build, fragments=fragments)


def changed(base: Build, change: Change) -> Scan:
    """Builds a scan and changes it."""
    return change(base())


def degradations() -> dict[str, Change]:
    """Returns the degradations: thicker slices; noise of usual, high and very high level; and others."""
    found: dict[str, Change] = {f"slices {n} mm": partial(thick_slices, slices=n) for n in (3, 5)}
    found |= {f"noise {sd} HU": partial(noise, sd_hu=sd) for sd in (25, 50, 100)}
    found["cut at the top"] = partial(cut, direction=2, from_far_end=True)
    found["cut at the bottom"] = partial(cut, direction=2, from_far_end=False)
    found["cut at the left"] = partial(cut, direction=0, from_far_end=True)
    found["metal"] = with_metal
    for axis in "xyz":
        for degrees in (10, 20, 30):
            found[f"turned {degrees} degrees about {axis}"] = partial(turned, axis=axis, degrees=degrees)
    return found


def positions(labels: Sequence[Label]) -> dict[str, Change]:
    """Returns changes that store the same patient in another position, and the mirror image."""
    return {
        "feet first": partial(stored, backwards=(0, 2)),
        "prone": partial(stored, backwards=(0, 1)),
        "on the right side": partial(stored, order=(1, 0, 2), backwards=(1,)),
        "rows backwards": partial(stored, backwards=(1,)),
        "columns backwards": partial(stored, backwards=(0,)),
        "mirror image": partial(mirrored, labels=labels),
    }


DICOM_SERIES = ("siemens_ct_thorax_20", "ge_ct_head_tilted")
BONELESS_BODIES = 2


def negatives(data: Path, trained_on: set[str]) -> dict[str, Callable[[], Scan]]:
    """Returns the negatives by name, without those used in training (paths below `data`)."""
    files = [*sorted((data / "leg_ct").glob("*.nii.gz")), *sorted((data / "head_neck_ct").glob("*.nii.gz"))]
    unseen = [path for path in files if str(path.relative_to(data)) not in trained_on]
    found: dict[str, Callable[[], Scan]] = {
        path.name.split(".")[0]: partial(intact_scan, path) for path in unseen
    }
    found |= {name: partial(intact_scan, data / "dicom" / name) for name in DICOM_SERIES}
    bodies = range(BONELESS_BODIES)
    return found | {f"body without bones {n + 1}": partial(boneless_scan, n) for n in bodies}
