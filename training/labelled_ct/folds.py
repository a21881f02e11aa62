"""Who is in which fold: a patient is trained on, watched or held out, never two of these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from operators.errors import UsageError
from training.labelled_ct.case_facts import MeasuredCase

# One in so many patients of a fold's training part is watched: its patches decide which weights are kept
WATCHED_OF = 8
# With fewer patients none is watched, and the last weights are kept
LEAST_WATCHING = 4


@dataclass(frozen=True)
class Fold:
    """The cases of a fold: trained on, watched while training, and held out for its figures."""

    number: int
    trained: tuple[MeasuredCase, ...]
    watched: tuple[MeasuredCase, ...]
    held_out: tuple[MeasuredCase, ...]


def folds_of(cases: Sequence[MeasuredCase], classes: Sequence[str], count: int, seed: int) -> list[Fold]:
    """Divides the patients into folds that each show every class about equally often.

    Raises UsageError for fewer patients than folds, and for a class that a fold's training part lacks.
    """
    patients = by_patient(cases)
    if count < 2 or len(patients) < count:
        raise UsageError(
            f"expected 2 folds or more and a patient for each, got {count} folds and {len(patients)} "
            f"patients in {len(cases)} cases; give --folds {max(min(len(patients), count), 2)} or more data"
        )
    fold_of = dealt(patients, count, np.random.default_rng(seed))
    folds = []
    for number in range(count):
        held = [name for name in patients if fold_of[name] == number]
        trained = [name for name in patients if fold_of[name] != number]
        require_classes(trained, patients, classes, number + 1)
        watched = watched_of(trained, patients, classes, seed + number)
        parts = ([name for name in trained if name not in watched], watched, held)
        folds.append(Fold(number + 1, *(tuple(c for name in part for c in patients[name]) for part in parts)))
    return folds


def by_patient(cases: Sequence[MeasuredCase]) -> dict[str, list[MeasuredCase]]:
    """Returns the cases of each patient."""
    found: dict[str, list[MeasuredCase]] = {}
    for case in cases:
        found.setdefault(case.patient, []).append(case)
    return found


def shown(cases: Sequence[MeasuredCase]) -> set[str]:
    """Returns the classes that cases show."""
    return {name for case in cases for name in case.ml}


def dealt(patients: dict[str, list[MeasuredCase]], count: int, rng: np.random.Generator) -> dict[str, int]:
    """Returns the fold of each patient: those with the rarest classes first, each to the smallest fold."""
    frequency = Counter(name for cases in patients.values() for name in shown(cases))
    names = [sorted(patients)[at] for at in rng.permutation(len(patients))]
    names.sort(key=lambda one: min(frequency[each] for each in shown(patients[one])))
    sizes, held, fold_of = [0] * count, [Counter[str]() for _ in range(count)], dict[str, int]()
    for name in names:
        rarest = sorted(shown(patients[name]), key=lambda each: frequency[each])
        best = min(range(count), key=lambda fold: (sizes[fold], *(held[fold][each] for each in rarest)))
        fold_of[name] = best
        sizes[best] += 1
        held[best].update(rarest)
    return fold_of


def require_classes(
    trained: Sequence[str], patients: dict[str, list[MeasuredCase]], classes: Sequence[str], number: int
) -> None:
    """Raises UsageError if the training part of a fold lacks a class."""
    there = shown([case for name in trained for case in patients[name]])
    missing = [name for name in classes if name not in there]
    if missing:
        only = sum(missing[0] in shown(cases) for cases in patients.values())
        raise UsageError(
            f"expected every class in the training part of every fold, got none of {', '.join(missing)} in "
            f"that of fold {number}: {only} of {len(patients)} patients show {missing[0]}, all of them held "
            "out there; add cases that show it, or leave its labels out (--label NAME=-)"
        )


def watched_of(
    trained: Sequence[str], patients: dict[str, list[MeasuredCase]], classes: Sequence[str], seed: int
) -> list[str]:
    """Returns the patients to watch instead of training on them; the others still show every class."""
    if len(trained) < LEAST_WATCHING:
        return []
    wanted, watched = max(1, len(trained) // WATCHED_OF), list[str]()
    for at in np.random.default_rng(seed).permutation(len(trained)):
        rest = [name for name in trained if name not in (*watched, trained[at])]
        if set(classes) <= shown([case for name in rest for case in patients[name]]):
            watched.append(trained[at])
        if len(watched) == wanted:
            break
    return watched


def rows_of(folds: Sequence[Fold]) -> list[tuple[str, str, int]]:
    """Returns case, patient and fold of every case, for folds.csv."""
    return sorted((case.name, case.patient, fold.number) for fold in folds for case in fold.held_out)
