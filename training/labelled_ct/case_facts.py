"""What is measured of the cases of a data set before a training, kept beside the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from operators.errors import OsteonError, UnreadableError, UnsuitableError
from training.datasets.case_checks import Facts, facts_of, read_case
from training.datasets.layout import Case, Dataset
from training.files import write_json
from training.progress import PREPARE, Tell

FACTS_FILE = "facts.json"
KEPT = TypeAdapter(dict[str, Facts])


@dataclass(frozen=True)
class MeasuredCase:
    """A case, the key of its patient, its spacing and extent, and the volume of each of its classes."""

    name: str
    patient: str
    spacing_mm: tuple[float, ...]
    extent_mm: tuple[float, ...]
    ml: Mapping[str, float]
    fragments: Mapping[str, int]


def measure_cases(dataset: Dataset, names: Mapping[int, str], folder: Path, tell: Tell) -> list[MeasuredCase]:
    """Returns the cases that show a class. Raises UnreadableError for a case with a fault."""
    path, patients = folder / FACTS_FILE, patients_of(dataset.cases)
    known = KEPT.validate_json(path.read_bytes()) if path.is_file() else {}
    count, measured = len(dataset.cases), list[MeasuredCase]()
    for number, case in enumerate(dataset.cases, start=1):
        key = f"{case.name} {case.image_sha256} {case.labels_sha256}"
        if key not in known:
            known[key] = measure(dataset, case)
            write_json(path, KEPT.dump_python(known, mode="json"))
        tell(PREPARE, number / count, f"{case.name} measured, {number} of {count}")
        measured.append(measured_case(known[key], patients[case.name], names))
    there = [case for case in measured if case.ml]
    if not there:
        raise UnsuitableError("expected cases that show a class, got none", code="no_case")
    return there


def measure(dataset: Dataset, case: Case) -> Facts:
    """Measures one case. Raises UnreadableError."""
    try:
        facts = facts_of(case, *read_case(dataset, case), dataset)
    except OsteonError as error:
        raise UnreadableError(f"{case.name}: {error}", code=error.code) from error
    if facts.unknown:
        raise UnreadableError(
            f"{case.name}: expected label values that dataset.toml names, got {list(facts.unknown)} too",
            code="unknown_label",
        )
    return facts


def measured_case(facts: Facts, patient: str, names: Mapping[int, str]) -> MeasuredCase:
    """Returns the facts in terms of classes."""
    ml, fragments = dict[str, float](), dict[str, int]()
    for value, own in facts.volumes_ml.items():
        if name := names.get(value):
            ml[name] = ml.get(name, 0.0) + own
            fragments[name] = fragments.get(name, 0) + 1
    extent = tuple(n * mm for n, mm in zip(facts.shape, facts.spacing_mm, strict=True))
    return MeasuredCase(facts.case, patient, facts.spacing_mm, extent, ml, fragments)


def patients_of(cases: Sequence[Case]) -> dict[str, str]:
    """Returns the key of each case's patient; two with the same image are one patient."""
    first: dict[str, str] = {}
    joined: dict[str, str] = {}
    for case in cases:
        own = root(joined, case.patient or case.name)
        joined[own] = root(joined, first.setdefault(case.image_sha256, own))
    return {case.name: root(joined, case.patient or case.name) for case in cases}


def root(joined: Mapping[str, str], key: str) -> str:
    """Returns the patient that a patient was joined to, itself for most."""
    while joined.get(key, key) != key:
        key = joined[key]
    return key
