"""Runs every case of the panel without a current row."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from benchmarks.accuracy.cases.panel import (
    DEGRADED_PATIENT,
    SHIPPED,
    Case,
    Source,
    intact_cts,
    panel,
    trained_on,
)
from benchmarks.accuracy.cases.patients import PATIENTS, series_folder, truth_file
from benchmarks.accuracy.cases.provenance import machine, provenance_of
from benchmarks.accuracy.cases.running import SEGMENTED, run_case, run_through_files
from benchmarks.accuracy.rows import Key, Rows
from benchmarks.panel import PANEL
from operators.errors import UsageError
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.operating_points import SENSITIVE


def measure(
    data: Path,
    models: Path,
    held_out: Mapping[str, Path],
    work: Path,
    rows: Rows,
    groups: Collection[str] = (),
) -> None:
    """Updates `rows` with the given weights, all or those of some `groups`; keeps rows of other weights."""
    packages = {SHIPPED: shipped(models), SENSITIVE: shipped(models).at(SENSITIVE)}
    packages |= {name: other_package(folder, packages[SHIPPED]) for name, folder in held_out.items()}
    recipe = models / PANEL.package / "training.toml"
    source = Source(data, work, packages[SHIPPED].labels, trained_on(recipe), intact_cts(recipe))
    cases = list(panel(source, sorted(held_out)))
    networks = Networks(Device())
    for number, case in enumerate(cases, start=1):
        key = (case.group, case.name, case.networks)
        stamp = provenance_of(packages[case.networks])
        if (not groups or case.group in groups) and not rows.holds(key, stamp):
            print(f"{number}/{len(cases)} {case.group}: {case.name} ({case.networks})", flush=True)
            row = run_case(case, packages[case.networks], networks, work / "pictures")
            seen = f"{PANEL.patients}/{case.name}" in source.trained_on and case.networks == SHIPPED
            rows.put(row | {"seen": seen, "made_by": stamp, "made_on": machine()})
    if not groups or FILES[0] in groups:
        measure_files(source, packages[SHIPPED], rows)
    rows.keep_only([*wanted(cases), FILES])


def shipped(models: Path) -> CoarseToFinePackage:
    """Reads the package that the panel evaluates."""
    return read_coarse_to_fine_package(models / PANEL.package / PACKAGE_FILE)


FILES: Key = ("files", DEGRADED_PATIENT, SHIPPED)


def measure_files(source: Source, package: CoarseToFinePackage, rows: Rows) -> None:
    """Runs one patient through DICOM files and the commands that a user calls."""
    stamp = provenance_of(package)
    if rows.holds(FILES, stamp):
        return
    group, patient, networks = FILES
    series = series_folder(source.data, patient, source.work)
    found = run_through_files(series, truth_file(source.work, patient), source.work / patient / "result")
    row = {"group": group, "case": patient, "networks": networks, "code": SEGMENTED, "seen": False}
    rows.put(row | found | {"made_by": stamp, "made_on": machine()})


def wanted(cases: list[Case]) -> list[Key]:
    """Returns the keys of the panel's rows; each patient may have one by networks that never saw them."""
    keys = [(case.group, case.name, case.networks) for case in cases]
    return [*keys, *(("patients", name, name) for name in PATIENTS)]


def other_package(folder: Path, known: CoarseToFinePackage) -> CoarseToFinePackage:
    """Reads networks that never saw a patient. Raises UsageError if they are the shipped ones."""
    package = shipped(folder)
    if package.fracture.sha256 == known.fracture.sha256 and package.fine.sha256 == known.fine.sha256:
        raise UsageError("expected networks trained without the patient, got the shipped ones")
    return package
