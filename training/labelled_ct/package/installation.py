"""Installs the networks of the best fold, or of all folds, as a package: all of it or nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from operators.errors import ModelError
from operators.importing.install import new_packages
from operators.importing.shared_fracture import place_weights
from operators.package_files.package_reader import PACKAGE_FILE
from training.files import write_text
from training.labelled_ct.curves import CURVES_FILE
from training.labelled_ct.fold_training import LabelledCtTraining
from training.labelled_ct.folds import Fold
from training.labelled_ct.package.ensembles import ensemble_row, merge
from training.labelled_ct.package.model_card import CARD_FILE, FoldResult, card_text
from training.labelled_ct.package.package_tables import text_of
from training.labelled_ct.planning import PLAN_FILE
from training.loop.report import report_file


def install_trained(training: LabelledCtTraining, results: Sequence[FoldResult]) -> str:
    """Installs the networks of the best fold, or an ensemble of all folds; returns a sentence.

    Raises OutputError, and ModelError if the best networks find nothing.
    """
    run, chosen = training.run, installed_folds(results, training.run.ensemble)
    if not chosen:
        raise ModelError(
            "expected networks that find a bone of a held-out case, got none: nothing was installed; look at "
            f"{run.folder / CURVES_FILE}, and train longer in another folder (--runs)",
            code="nothing_learnt",
        )
    tables = training.tables(chosen[0])
    with new_packages(run.models, [run.name]) as (folder,):
        for name in training.plan.networks:
            tables["networks"][name] |= place_network(training, name, chosen, folder)
        fracture = tables["networks"]["fracture"]
        fracture["weights"] = place_weights(Path(fracture["weights"]), run.models, folder)
        for name in (CURVES_FILE, PLAN_FILE):
            shutil.copyfile(run.folder / name, folder / name)
        title, facts = run.dataset.tables.title, facts_of(training)
        card = card_text(run.name, title, results, training.classes, facts, chosen)
        write_text(folder / CARD_FILE, card)
        write_text(folder / PACKAGE_FILE, text_of(tables))
    if len(chosen) > 1:
        return f"installed in {run.models / run.name}: the mean of the networks of {len(chosen)} folds"
    return f"installed in {run.models / run.name}: the networks of fold {chosen[0].number} of {len(results)}"


def installed_folds(results: Sequence[FoldResult], is_ensemble: bool) -> list[Fold]:
    """Returns the folds whose networks are installed, the best first: none that found nothing."""
    found = sorted((one for one in results if one.mean > 0), key=lambda one: (-one.mean, one.fold.number))
    return [one.fold for one in (found if is_ensemble else found[:1])]


def place_network(
    training: LabelledCtTraining, name: str, folds: Sequence[Fold], folder: Path
) -> dict[str, Any]:
    """Writes a network and the reports of its trainings to a folder; returns its table in package.toml."""
    files = [training.weights(fold, name) for fold in folds]
    row, target = training.tables(folds[0])["networks"][name], folder / files[0].name
    if len(files) == 1:
        shutil.copyfile(files[0], target)
        shutil.copyfile(report_file(files[0]), report_file(target))
        return dict(row)
    for fold, path in zip(folds, files, strict=True):
        shutil.copyfile(report_file(path), report_file(target.with_stem(f"{name}-fold-{fold.number}")))
    return ensemble_row(row, len(files), merge(files, target))


def facts_of(training: LabelledCtTraining) -> list[str]:
    """Returns what the model card says of the training, beside its figures."""
    run, tables = training.run, training.run.dataset.tables
    starts = [f"{spec.weights.parent.name}/{spec.weights.name}" for spec in run.start.values()]
    spacing = sorted({case.spacing_mm for case in training.cases})
    ends = " to ".join(
        " x ".join(f"{mm:.3g}" for mm in each) for each in dict.fromkeys((spacing[0], spacing[-1]))
    )
    networks = [
        f"{name}: {network.architecture}, features {', '.join(map(str, network.filters))}, voxels of "
        f"{network.spacing_mm} mm, patch {' x '.join(map(str, network.patch))}; steps, time and energy of "
        f"every session are in {report}"
        for name, network in training.plan.networks.items()
        for report in (f"{name}{'-fold-N' if run.ensemble else ''}.training.json",)
    ]
    return [
        f"Data: {tables.title} ({tables.source}, imported {tables.imported or 'on an unknown day'}), "
        f"{len(training.cases)} cases, voxels of {ends} mm; folds.csv in the training's folder says who was "
        "in which fold",
        *networks,
        f"Started from {', '.join(starts) or 'random weights'}",
        "Fractures are split by the fracture network that packages share, which was not trained on these "
        "data; its probabilities were fitted on other bones",
        f"Software: {run.software or 'not stated'}, seed {run.seed}",
    ]
