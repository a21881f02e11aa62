"""Measures a fold's networks on the cases that they never saw, along the image path of the package."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from operators.evaluation.surface_distance import dice
from operators.geometry.volume import CtVolume, LabelMap
from operators.networks.registry import Networks
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.seen import AnatomyNotFoundError
from operators.pipelines.coarse_to_fine import Anatomy, resample, segment_anatomy
from training.datasets.case_checks import read_case
from training.datasets.layout import Dataset
from training.files import write_json
from training.labelled_ct.case_facts import MeasuredCase
from training.progress import Tell
from training.radiograph.metrics import interval

SCORES_FILE = "scores.json"
EVALUATE = "evaluate"


@dataclass(frozen=True)
class CaseScore:
    """The Dice of each class that a case shows, the classes found that it does not show, and seconds."""

    case: str
    patient: str
    dice: dict[str, float]
    invented: list[str]
    seconds: float

    @property
    def mean(self) -> float:
        """The mean Dice of the classes."""
        return float(np.mean(list(self.dice.values())))


def score_cases(
    dataset: Dataset,
    cases: Sequence[MeasuredCase],
    values: Mapping[str, tuple[int, ...]],
    package: CoarseToFinePackage,
    networks: Networks,
    folder: Path,
    tell: Tell,
) -> list[CaseScore]:
    """Returns the scores of cases; those that an earlier command measured are read from scores.json."""
    path, by_name = folder / SCORES_FILE, {case.name: case for case in dataset.cases}
    rows = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    done = {row["case"]: CaseScore(**row) for row in rows}
    for number, case in enumerate(cases, start=1):
        if case.name not in done:
            began = time.monotonic()
            image, truth = read_case(dataset, by_name[case.name])
            found, invented = compare(image, truth, values, dataset.tables.ignore, package, networks)
            seconds = round(time.monotonic() - began, 1)
            done[case.name] = CaseScore(case.name, case.patient, found, invented, seconds)
            write_json(path, [asdict(one) for one in done.values()])
        tell(EVALUATE, number / len(cases), f"{case.name}, {number} of {len(cases)} held out")
    return [done[case.name] for case in cases]


def compare(
    image: CtVolume,
    truth: LabelMap,
    values: Mapping[str, tuple[int, ...]],
    ignore: int | None,
    package: CoarseToFinePackage,
    networks: Networks,
) -> tuple[dict[str, float], list[str]]:
    """Returns the Dice of each class that the ground truth shows, and the classes found that it does not."""
    anatomy = anatomy_in(image, package, networks)
    known = truth.labels != ignore if ignore is not None else np.True_
    scores, invented = dict[str, float](), list[str]()
    for name, own in values.items():
        true, found = np.isin(truth.labels, own), found_in(anatomy, name, truth.labels.shape) & known
        agreement = dice(true, found)
        if true.any() and agreement is not None:
            scores[name] = round(agreement, 4)
        elif found.any():
            invented.append(name)
    return scores, invented


def anatomy_in(image: CtVolume, package: CoarseToFinePackage, networks: Networks) -> Anatomy:
    """Returns the bones that a package finds in an image; none where it refuses the image."""
    try:
        return segment_anatomy(resample(image, package), networks, lambda *_: None)
    except AnatomyNotFoundError:
        return Anatomy(image, (), package)


def found_in(anatomy: Anatomy, name: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Returns the voxels of one class's bone."""
    found = np.zeros(shape, bool)
    for bone in anatomy.bones:
        if bone.region.label.name == name:
            found[bone.box.slices] |= bone.inside
    return found


@dataclass(frozen=True)
class Figure:
    """A mean Dice over patients with its 95 % interval (bootstrap over patients), and how many there were."""

    name: str
    patients: int
    value: float
    low: float
    high: float
    invented: int = 0


def figures_of(scores: Sequence[CaseScore], classes: Sequence[str]) -> list[Figure]:
    """Returns the figures of each class, and of the mean over the classes of a case."""
    rows = [
        figure(name, [(one.patient, one.dice[name]) for one in scores if name in one.dice],
               sum(name in one.invented for one in scores))
        for name in classes
    ]  # fmt: skip
    return [*rows, figure("mean", [(one.patient, one.mean) for one in scores if one.dice])]


def figure(name: str, scores: Sequence[tuple[str, float]], invented: int = 0) -> Figure:
    """Returns the mean over patients, each with the mean of its cases."""
    of_patient: dict[str, list[float]] = {}
    for patient, value in scores:
        of_patient.setdefault(patient, []).append(value)
    means = np.array([np.mean(values) for values in of_patient.values()])
    if not len(means):
        return Figure(name, 0, np.nan, np.nan, np.nan, invented)
    low, high = interval(lambda at: float(means[at].mean()), len(means))
    return Figure(name, len(means), float(means.mean()), low, high, invented)
