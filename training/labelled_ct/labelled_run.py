"""Trains on labelled CTs: plan, folds, the networks and the figures of each fold, an installed package.

RUNS/NAME/
  training.toml    the plan, to read and change
  folds.csv        case, patient, fold
  options.json     options that every later command must repeat
  facts.json       what was measured of the cases
  curves.svg       learning curves, drawn anew at every reading
  cache/           cases as they are trained on
  fold-1/ ...      checkpoints, logs, weights and reports of the networks, scores.json
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial

from operators.dicom.elements.atomic_file import make_folder
from operators.errors import UsageError
from operators.importing.install import require_free
from operators.importing.shared_fracture import shared_fracture
from operators.packages.structures import read_structures
from training.device import training_device
from training.files import csv_text, write_json, write_text
from training.labelled_ct.case_facts import MeasuredCase, measure_cases
from training.labelled_ct.classes import names_of_values, require_as_planned
from training.labelled_ct.fold_training import LabelledCtRun, LabelledCtTraining
from training.labelled_ct.folds import Fold, folds_of, rows_of
from training.labelled_ct.network_sizes import device_bytes
from training.labelled_ct.package.installation import install_trained
from training.labelled_ct.package.package_tables import package_tables
from training.labelled_ct.planning import PLAN_FILE, Machine, plan_text
from training.recipe import Recipe, read_recipe

FOLDS_FILE, OPTIONS_FILE = "folds.csv", "options.json"


def train(run: LabelledCtRun, plan_only: bool = False) -> Iterator[str]:
    """Trains, and yields sentences on the plan, the figures and the package as they become known.

    Raises UsageError if the name is taken or the data cannot be divided into folds, OutputError if a folder
    cannot be written: then nothing is installed.
    """
    require_free(run.models, run.name)
    make_folder(run.folder, "a folder for the training")
    plan, cases = make_plan(run)
    keep_options(run)
    patients = len({case.patient for case in cases})
    yield f"plan: {run.folder / PLAN_FILE}, {len(cases)} cases of {patients} patients"
    yield from described(plan)
    require_start(run, plan)
    folds = folds_of(cases, list(plan.sources.classes), run.folds, run.seed)
    keep_folds(run, folds)
    for fold in folds:
        parts = (fold.trained, fold.watched, fold.held_out)
        counts = [len({case.patient for case in part}) for part in parts]
        yield "fold {}: {} patients trained on, {} watched, {} held out".format(fold.number, *counts)
    if plan_only:
        return
    fracture = shared_fracture(run.models)
    title = run.name.replace("_", " ")
    training = LabelledCtTraining(
        run, plan, cases, folds, partial(package_tables, run.name, title, plan, cases, fracture)
    )
    results = yield from training.train_folds()
    yield install_trained(training, results)


def make_plan(run: LabelledCtRun) -> tuple[Recipe, list[MeasuredCase]]:
    """Returns the plan, made if there is none yet, and the cases that show its classes."""
    path, tables = run.folder / PLAN_FILE, run.dataset.tables
    if path.is_file():
        plan = read_recipe(path)
        if len(plan.sources.labelled_cts) != 1 or not {"coarse", "fine"} <= set(plan.networks):
            raise UsageError(f"expected one [[labelled_cts]] and the networks coarse and fine in {path}")
        planned = plan.sources.labelled_cts[0].names
        require_as_planned(planned, path, run.dataset, run.told, read_structures(run.models))
        names = {int(value): name for value, name in planned.items()}
        return plan, measure_cases(run.dataset, names, run.folder, run.tell)
    names = names_of_values(run.dataset, run.told, read_structures(run.models))
    cases = measure_cases(run.dataset, names, run.folder, run.tell)
    device = training_device().type
    machine = Machine(device, device_bytes(device))
    text = plan_text(run.name, tables.title, cases, names, tables.ignore, machine, run.start)
    write_text(path, text)
    return read_recipe(path), cases


def require_start(run: LabelledCtRun, plan: Recipe) -> None:
    """Raises UsageError if the networks to start from are others than the plan's."""
    for name, network in plan.networks.items() if run.start else ():
        spec, wanted = run.start.get(name), (network.architecture, list(network.filters))
        got = spec and (spec.architecture, spec.arguments.get("filters"))
        if got != wanted:
            raise UsageError(
                f"expected a network {name} of {wanted[0]}, features {wanted[1]}, at --start-from, got {got}"
            )


def described(plan: Recipe) -> Iterator[str]:
    """Yields the plan in sentences."""
    yield f"classes: {', '.join(plan.sources.classes)}"
    for name, network in plan.networks.items():
        patch = " x ".join(map(str, network.patch))
        features = ", ".join(map(str, network.filters))
        yield (
            f"{name}: voxels of {network.spacing_mm} mm, patches of {patch}, batch {network.batch}, "
            f"features {features}, {network.steps} steps at most"
        )


def keep_options(run: LabelledCtRun) -> None:
    """Writes options.json: the seed, and the networks that the training starts from.

    Raises UsageError if an earlier command had others: parts of one training would not fit together.
    """
    path = run.folder / OPTIONS_FILE
    start = ", ".join(spec.sha256[:12] for spec in run.start.values()) or "none"
    own = {"--seed": str(run.seed), "--start-from": start}
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else own
    for option, value in own.items():
        if kept[option] != value:
            raise UsageError(
                f"expected {option} {kept[option]}, with which {run.folder} was begun, got {value}; use "
                "another --runs"
            )
    write_json(path, own)


def keep_folds(run: LabelledCtRun, folds: Sequence[Fold]) -> None:
    """Writes folds.csv. Raises UsageError if an earlier command had other folds or other cases."""
    sha256 = {case.name: case.labels_sha256 for case in run.dataset.cases}
    rows = [(*row, sha256[row[0]]) for row in rows_of(folds)]
    path, text = run.folder / FOLDS_FILE, csv_text(("case", "patient", "fold", "labels_sha256"), rows)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        raise UsageError(f"expected the cases and folds that {path} lists, got others; use another --runs")
    write_text(path, text)
