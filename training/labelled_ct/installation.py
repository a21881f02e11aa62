"""Installs the networks of the best fold as a package: all of it or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from operators.errors import ModelError
from operators.importing.install import new_packages
from operators.importing.shared_fracture import place_weights
from operators.package_files.package_reader import PACKAGE_FILE
from training.files import write_text
from training.labelled_ct.curves import CURVES_FILE
from training.labelled_ct.fold_training import LabelledCtTraining
from training.labelled_ct.model_card import CARD_FILE, FoldResult, best_of, card_text
from training.labelled_ct.package_tables import text_of
from training.labelled_ct.planning import PLAN_FILE
from training.loop.report import report_file


def install_best(training: LabelledCtTraining, results: Sequence[FoldResult]) -> str:
    """Installs the networks of the best fold and returns a sentence.

    Raises OutputError, and ModelError if the best networks find nothing.
    """
    run, best = training.run, best_of(results).fold
    if not best_of(results).mean > 0:
        raise ModelError(
            "expected networks that find a bone of a held-out case, got none: nothing was installed; look at "
            f"{run.folder / CURVES_FILE}, and train longer in another folder (--runs)",
            code="nothing_learnt",
        )
    tables = training.tables(best)
    with new_packages(run.models, [run.name]) as (folder,):
        for name in training.plan.networks:
            for path in (training.weights(best, name), report_file(training.weights(best, name))):
                shutil.copyfile(path, folder / path.name)
        fracture = tables["networks"]["fracture"]
        fracture["weights"] = place_weights(Path(fracture["weights"]), run.models, folder)
        for name in (CURVES_FILE, PLAN_FILE):
            shutil.copyfile(run.folder / name, folder / name)
        title, facts = run.dataset.tables.title, facts_of(training)
        write_text(folder / CARD_FILE, card_text(run.name, title, results, training.classes, facts))
        write_text(folder / PACKAGE_FILE, text_of(tables))
    return f"installed in {run.models / run.name}: the networks of fold {best.number} of {len(results)}"


def facts_of(training: LabelledCtTraining) -> list[str]:
    """Returns what the model card says of the training, beside its figures."""
    run, tables = training.run, training.run.dataset.tables
    spacing = sorted({case.spacing_mm for case in training.cases})
    ends = " to ".join(
        " x ".join(f"{mm:.3g}" for mm in each) for each in dict.fromkeys((spacing[0], spacing[-1]))
    )
    networks = [
        f"{name}: {network.architecture}, features {', '.join(map(str, network.filters))}, voxels of "
        f"{network.spacing_mm} mm, patch {' x '.join(map(str, network.patch))}; steps, time and energy of "
        f"every session are in {name}.training.json"
        for name, network in training.plan.networks.items()
    ]
    return [
        f"Data: {tables.title} ({tables.source}, imported {tables.imported or 'on an unknown day'}), "
        f"{len(training.cases)} cases, voxels of {ends} mm; folds.csv in the training's folder says who was "
        "in which fold",
        *networks,
        "Started from random weights"
        if not run.start
        else f"Started from {', '.join(start_texts(training))}",
        "Fractures are split by the fracture network that packages share, which was not trained on these "
        "data; its probabilities were fitted on other bones",
        f"Software: {run.software or 'not stated'}, seed {run.seed}",
    ]


def start_texts(training: LabelledCtTraining) -> list[str]:
    """Returns the weights that the networks started from."""
    return [f"{spec.weights.parent.name}/{spec.weights.name}" for spec in training.run.start.values()]
