"""Runs the radiograph package over the development images, and stores its predictions."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy.cases.provenance import machine
from benchmarks.accuracy.radiographs.doubtful import doubtful_rows
from benchmarks.accuracy.radiographs.pictures import write_sheet
from benchmarks.accuracy.radiographs.rows import RadiographRows, Row
from operators.errors import UsageError
from operators.networks.registry import Networks
from operators.networks.runtimes import Device
from operators.package_files.package_reader import read_packages
from operators.packages.confidence import log_odds, stated_probability
from operators.packages.operating_points import BALANCED
from operators.packages.radiograph import RadiographPackage
from operators.radiographs.answer import LIKELY, answer, decoding_of
from operators.radiographs.detections import Detection, detections
from training.radiograph.datasets.radiograph import ATTRIBUTES
from training.radiograph.datasets.reading import read_dataset
from training.radiograph.fitting import Answered, answer_all, projection_of
from training.radiograph.metrics import Found, compare
from training.radiograph.report import cross_decoded

METRICS = "metrics.json"
# Decimal places of scores and IoUs in the rows
DIGITS = 6


def measure(data: Path, models: Path, sheet: Path, known: RadiographRows | None) -> RadiographRows:
    """Returns the rows of the development images, and writes a contact sheet of some.

    The results of other trainings are taken from `known`.
    """
    package = radiograph_package(models)
    images = read_dataset(data, split="dev")
    if not images:
        raise UsageError("expected images of the split dev in images.csv, got none")
    networks = Networks(Device())
    answered = answer_all(package, networks, images, tell)
    found = cross_found(answered)
    write_sheet(answered, found, decoding_of(package.decision), sheet)
    sizes = published_sizes(data / "images.csv")
    return RadiographRows(
        package=package.folder.name,
        weights={spec.name: spec.sha256 for spec in package.folds},
        made_on=machine(),
        attributes=list(package.attributes),
        body_parts=list(package.body_parts),
        views=list(package.views),
        operating_points=dict(package.decision.operating_points),
        margin=package.decision.margin,
        fitted_on=package.decision.fitted_on,
        images=[
            row_of(each, own, sizes[each.image.name], package)
            for each, own in zip(answered, found, strict=True)
        ],
        cross_validation=known.cross_validation if known else None,
        baseline=known.baseline if known else None,
        doubtful=doubtful_rows(answered, data.parent, package, networks),
    )


def tell(done: float) -> None:
    """Prints the progress of the run."""
    print(f"\r{done:.0%} of the development images", end="" if done < 1 else "\n", flush=True)


def radiograph_package(models: Path) -> RadiographPackage:
    """Returns the one package for radiographs. Raises UsageError if there are none or several."""
    found = [each for each in read_packages(models) if isinstance(each, RadiographPackage)]
    if len(found) != 1:
        raise UsageError(f"expected one package of kind {RadiographPackage.kind}, got {len(found)}")
    return found[0]


def cross_found(answered: Sequence[Answered]) -> list[Found | None]:
    """Returns the detections in each image, with cross-fitted decoding; None without outlines."""
    found = iter(cross_decoded([each.case for each in answered if each.image.outlined]))
    return [next(found) if each.image.outlined else None for each in answered]


def published_sizes(table: Path) -> dict[str, list[int] | None]:
    """Returns the published width and height of each file; None where the table does not say."""
    columns = ("original_width", "original_height")
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        row["file"]: [int(row[name]) for name in columns] if all(row.get(name) for name in columns) else None
        for row in rows
    }


def row_of(
    answered: Answered, found: Found | None, size: list[int] | None, package: RadiographPackage
) -> Row:
    """Returns the row of an image."""
    image, said = answered.image, answered.said
    stated = answer(projection_of(image), said, (), package, BALANCED)
    return {
        "file": image.name,
        "size": size,
        "fractured": image.fractured,
        "outlines": len(image.outlines),
        "shows": [name for name, there in zip(ATTRIBUTES, image.attributes, strict=True) if there],
        "score": round(answered.score, DIGITS),
        "probability": stated.probability,
        "body_part": stated.body_part.name,
        "view": stated.view.name,
        "said": {
            name: round(value, 3) for name, value in zip(package.attributes, said.attributes, strict=True)
        },
        "detections": None if found is None else detection_rows(found),
        "findings": detection_rows(shown_findings(answered, package)),
    }


def shown_findings(answered: Answered, package: RadiographPackage) -> Found:
    """Returns the findings that a run shows, with their probabilities, beside the outlined fractures."""
    line = package.decision.finding
    found: list[tuple[Detection, float]] = []
    for one in detections(answered.said.probabilities, decoding_of(package.decision)):
        probability = stated_probability(line, log_odds(one.score))
        if probability is not None and probability >= LIKELY:
            found.append((one, probability))
    compared = compare([one for one, _ in found], answered.image.masks())
    return Found(np.array([value for _, value in found], float), compared.overlaps, compared.hits)


def detection_rows(found: Found) -> list[Row]:
    """Returns each detection's score, and its IoU with each fracture and whether it hits it."""
    return [
        {
            "score": round(float(score), DIGITS),
            "overlaps": np.round(overlaps, DIGITS).tolist(),
            "hits": hits.tolist(),
        }
        for score, overlaps, hits in zip(found.scores, found.overlaps, found.hits, strict=True)
    ]


def baseline_metrics(runs: Path) -> dict[str, Any]:
    """Returns the metrics of a finished training in a folder, or in the newest of its finished-STEP."""
    finished = sorted(runs.glob(f"finished-*/{METRICS}"), key=lambda path: int(path.parent.name[9:]))
    paths = [*finished, runs / "finished" / METRICS, runs / METRICS]
    there = [path for path in paths if path.is_file()]
    if not there:
        raise UsageError(f"expected the {METRICS} of a finished training in {runs.name}, found none")
    return json.loads(there[-1].read_text(encoding="utf-8"))
