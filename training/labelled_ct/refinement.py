"""Trains an installed package on corrections, and takes the new networks only where they are better."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tomlkit

from operators.errors import UsageError
from operators.importing.versions import replace_version, version_of
from operators.package_files.package_reader import PACKAGE_FILE, read_coarse_to_fine_package
from operators.packages.structures import read_structures
from training.export import write_document
from training.files import write_text
from training.labelled_ct.case_facts import measure_cases
from training.labelled_ct.classes import names_of_values, require_as_planned
from training.labelled_ct.fold_training import LabelledCtRun, LabelledCtTraining
from training.labelled_ct.folds import folds_of, shown
from training.labelled_ct.labelled_run import described, keep_folds, keep_options
from training.labelled_ct.package.ensembles import member_of, member_row
from training.labelled_ct.package.model_card import CARD_FILE, FoldResult, best_of, number
from training.labelled_ct.package.package_tables import text_of
from training.labelled_ct.planning import PLAN_FILE
from training.labelled_ct.scoring import figures_of
from training.recipe import Recipe, read_recipe

# Of the plan's steps and learning rate: the networks know most already
STEPS_SHARE, LEAST_STEPS, RATE_SHARE = 0.2, 200, 0.3


@dataclass(frozen=True)
class Margins:
    """By how much the mean Dice must rise, and how far that of any class may fall in any fold."""

    better: float = 0.01
    worse: float = 0.02


def refine(run: LabelledCtRun, margins: Margins) -> Iterator[str]:
    """Trains the package `run.name` on the corrections that are the run's data set; yields sentences.

    Raises UsageError for a package that was not trained on a data set, or corrections of other structures.
    """
    folder = run.models / run.name
    package = read_coarse_to_fine_package(folder / PACKAGE_FILE)
    run = replace(run, start={spec.name: member_of(spec) for spec in (package.coarse, package.fine)})
    plan = refined_plan(run, folder)
    keep_options(run)
    names = {int(value): name for value, name in plan.sources.labelled_cts[0].names.items()}
    cases = measure_cases(run.dataset, names, run.folder, run.tell)
    yield from described(plan)
    folds = folds_of(cases, sorted(shown(cases)), run.folds, run.seed)
    keep_folds(run, folds)
    training = LabelledCtTraining(run, plan, cases, folds, partial(new_tables, folder))
    new = yield from training.train_folds()
    old = [training.measure(fold, package, training.folder(fold) / "before") for fold in folds]
    table = comparison(old, new, training.classes)
    yield table
    faults = list(faults_of(old, new, training.classes, margins))
    if faults:
        yield f"not installed: {'; '.join(faults)}"
        return
    yield install(training, new, folder, table)


def refined_plan(run: LabelledCtRun, folder: Path) -> Recipe:
    """Returns the plan of a package for its corrections, made if there is none yet. Raises UsageError."""
    path, own = run.folder / PLAN_FILE, folder / PLAN_FILE
    if path.is_file():
        plan = read_recipe(path)
        planned = plan.sources.labelled_cts[0].names
        require_as_planned(planned, path, run.dataset, run.told, read_structures(run.models))
        return plan
    if not own.is_file() or not read_recipe(own).sources.labelled_cts:
        raise UsageError(f"expected a package that was trained on a data set, got {run.name}, which was not")
    document = tomlkit.parse(own.read_text(encoding="utf-8"))
    classes = list(read_recipe(own).sources.classes)
    names = names_of_values(run.dataset, run.told, read_structures(run.models))
    if strange := sorted(set(names.values()) - set(classes)):
        raise UsageError(f"expected corrections of {', '.join(classes)}, got {', '.join(strange)} too")
    tables: Any = document
    tables["labelled_cts"][0]["names"] = {str(value): name for value, name in names.items()}
    for network in tables["networks"].values():
        network["steps"] = max(int(STEPS_SHARE * network["steps"]), LEAST_STEPS)
        network["learning_rate"] = RATE_SHARE * network["learning_rate"]
    tables["validation"]["every"] = max(
        min(network["steps"] for network in tables["networks"].values()) // 20, 1
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_document(path, document)
    return read_recipe(path)


def new_tables(folder: Path, sha256: Mapping[str, str]) -> dict[str, Any]:
    """Returns the package.toml of a package with other networks, whose files bear their checksums."""
    tables = tomllib.loads((folder / PACKAGE_FILE).read_text(encoding="utf-8"))
    for name, digest in sha256.items():
        row = member_row(tables["networks"][name])
        tables["networks"][name] = row | {"weights": f"{name}.safetensors", "sha256": digest}
    fracture = tables["networks"]["fracture"]
    fracture["weights"] = str((folder / fracture["weights"]).resolve())
    return {**tables, "version": str(version_of(folder) + 1)}


def comparison(old: Sequence[FoldResult], new: Sequence[FoldResult], classes: Sequence[str]) -> str:
    """Returns a table of Dice before and after, of each fold and all."""
    heads = [*(f"fold {one.fold.number}" for one in new), "all folds"]
    columns = [*zip(old, new, strict=True)]
    pairs = [(figures_of(a.scores, classes), figures_of(b.scores, classes)) for a, b in columns]
    pairs.append(tuple(figures_of([s for one in side for s in one.scores], classes) for side in (old, new)))  # type: ignore[arg-type]
    rows = [
        [name, *(f"{number(a[at].value)} to {number(b[at].value)}" for a, b in pairs)]
        for at, name in enumerate([*classes, "mean"])
    ]
    lines = [["Dice before and after", *heads], ["---"] * (1 + len(heads)), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def faults_of(
    old: Sequence[FoldResult], new: Sequence[FoldResult], classes: Sequence[str], margins: Margins
) -> Iterator[str]:
    """Yields why new networks are not taken: too little gain in the mean, or too much loss somewhere."""
    before, after = (figures_of([s for one in side for s in one.scores], ())[-1].value for side in (old, new))
    if not after >= before + margins.better:
        yield (
            f"expected a mean Dice higher by {margins.better:g} or more, got {number(before)} before and "
            f"{number(after)} after"
        )
    for a, b in zip(old, new, strict=True):
        for was, now in zip(figures_of(a.scores, classes), figures_of(b.scores, classes), strict=True):
            if was.value - now.value > margins.worse or (np.isnan(now.value) and not np.isnan(was.value)):
                yield f"fold {b.fold.number}: {was.name} fell from {number(was.value)} to {number(now.value)}"
        if sum(map(len, (s.invented for s in b.scores))) > sum(map(len, (s.invented for s in a.scores))):
            yield f"fold {b.fold.number}: more classes are found where they are not"


def install(training: LabelledCtTraining, new: Sequence[FoldResult], folder: Path, table: str) -> str:
    """Takes the best fold's networks into use, and adds the table to the model card."""
    best = best_of(new).fold
    tables, weights = training.tables(best), dict[str, Path]()
    for name in training.plan.networks:
        row = tables["networks"][name]
        row["weights"] = f"{name}-{row['sha256'][:8]}.safetensors"
        weights[row["weights"]] = training.weights(best, name)
    fracture = tables["networks"]["fracture"]
    fracture["weights"] = os.path.relpath(fracture["weights"], folder.resolve())
    replace_version(folder, text_of(tables), weights)
    card = folder / CARD_FILE
    before = card.read_text(encoding="utf-8").rstrip() if card.is_file() else f"# {folder.name}"
    count, patients = len(training.cases), len({case.patient for case in training.cases})
    write_text(
        card,
        f"{before}\n\n## Version {tables['version']}: {count} corrections of {patients} patients\n\n{table}"
        f"\n\nInstalled is fold {best.number}. Every case was measured by networks that were not trained on "
        "its patient; those before may have seen patients of the first data set.\n",
    )
    return (
        f"{folder.name}: version {tables['version']} is in use, the networks of fold {best.number}; "
        f"the one before comes back with: osteon models rollback {folder.name}"
    )
