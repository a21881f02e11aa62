"""Runs one case through the pipeline in this process, and builds its row."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.evaluation.comparison import align_labels, evaluate
from app.evaluation.evaluation_picture import write_worst_slice
from benchmarks.accuracy.cases.panel import Case
from benchmarks.accuracy.cases.scan import Scan
from benchmarks.accuracy.cases.turns import other_side
from benchmarks.accuracy.rows import Row, picture_name
from benchmarks.panel import PANEL
from benchmarks.process_usage import OSTEON
from operators.bones.find import find_voxels
from operators.errors import UnsuitableError
from operators.geometry.volume import CtVolume, LabelMap
from operators.networks.registry import Networks
from operators.packages.coarse_to_fine import CoarseToFinePackage
from operators.packages.packages import Label
from operators.pipelines import coarse_to_fine as pipeline
from operators.pipelines.shared_networks import look_at
from operators.segmentation.segmentation import Segment
from training.calibrate.intact import quiet

SEGMENTED = "segmented"


@dataclass(frozen=True, eq=False)
class Found:
    """Labels of the pipeline, None if it refused the scan; error code and segments."""

    labels: LabelMap | None
    code: str = SEGMENTED
    segments: tuple[Segment, ...] = ()


def run_case(case: Case, package: CoarseToFinePackage, networks: Networks, pictures: Path) -> Row:
    """Runs the pipeline on a case; saves a picture of its worst slice in `pictures`."""
    scan = case.build()
    chain = whole_chain if case.fragments else outlines_only
    try:
        found = chain(scan.ct, package, networks)
    except UnsuitableError as error:
        found = Found(None, error.code)
    segments = [{"label": segment.label, "ml": round(segment.volume_ml, 1)} for segment in found.segments]
    row: Row = {"group": case.group, "case": case.name, "networks": case.networks, "code": found.code}
    row |= {"fragments": case.fragments, "segments": segments}
    if not scan.truth.labels.any():
        return row | surest(scan.ct, package, networks)
    return row | judged(case, scan, found, package, pictures)


def whole_chain(volume: CtVolume, package: CoarseToFinePackage, networks: Networks) -> Found:
    """Segments a volume as `osteon run` does."""
    segmentation = pipeline.segment(volume, package, networks, quiet)
    return Found(segmentation.label_map, segments=segmentation.segments)


def outlines_only(volume: CtVolume, package: CoarseToFinePackage, networks: Networks) -> Found:
    """Segments a volume without the fracture network, each bone as one segment."""
    anatomy = pipeline.segment_anatomy(pipeline.resample(volume, package), networks, quiet)
    labels = np.zeros(volume.grid.shape, np.uint8)
    for bone in anatomy.bones:
        labels[bone.box.slices][bone.inside] = bone.region.label.first_value
    return Found(LabelMap(labels, volume.grid))


def judged(case: Case, scan: Scan, found: Found, package: CoarseToFinePackage, pictures: Path) -> Row:
    """Returns the metrics of the case; without a result, those of an empty prediction."""
    nothing = LabelMap(np.zeros(scan.grid.shape, np.uint8), scan.grid)
    prediction, _ = align_labels(found.labels or nothing, scan.truth)
    case_metrics = evaluate(prediction, scan.truth, package.labels).metrics
    picture = picture_name((case.group, case.name, case.networks))
    write_worst_slice(prediction, scan.truth, case_metrics, pictures / picture)
    sides = wrong_side_shares(prediction.labels, scan.truth.labels, package.labels)
    return metrics_row(asdict(case_metrics)) | {"wrong_side": rounded(sides)}


def metrics_row(detail: dict[str, Any]) -> Row:
    """Returns the metrics of `osteon evaluate` that the document shows."""
    return rounded({"bones": detail["bones"], "absent_bones": detail["absent_bones"]})


def rounded(value: Any) -> Any:
    """Rounds numbers to four places, since the next ones differ between machines."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(inner) for inner in value]
    return round(float(value), 4) if isinstance(value, float) else value


def surest(volume: CtVolume, package: CoarseToFinePackage, networks: Networks) -> Row:
    """Returns the coarse network's probabilities of what it takes for the package's bones.

    `mean` is the value that the package compares with its least probability, `peak` that of the voxel with
    the highest probability.
    """
    look = look_at([pipeline.resample(volume, package)], networks, quiet)
    found, best = find_voxels(look, package)
    mean = float(best[found].mean()) if found.any() else 0.0
    return {"mean": round(mean, 3), "peak": round(float(best.max()), 3)}


def run_through_files(series: Path, truth: Path, out: Path) -> Row:
    """Runs `osteon run` and `osteon evaluate` as processes, from DICOM to DICOM SEG."""
    for command in (
        ("run", series, "-o", out),
        ("evaluate", out / "segmentation.dcm", truth, "-o", out / "evaluation"),
    ):
        subprocess.run([*OSTEON, *map(str, command), "--package", PANEL.package], check=True)
    content = json.loads((out / "evaluation" / "evaluation.json").read_text(encoding="utf-8"))
    return metrics_row(content["cases"][0]["detail"])


def wrong_side_shares(
    prediction: NDArray[np.integer], truth: NDArray[np.integer], labels: Sequence[Label]
) -> dict[str, float]:
    """Returns for each paired bone of the ground truth the share of its voxels labelled as the wrong side.

    The share is of the voxels labelled as either side; bones without any are left out.
    """
    shares = {}
    for label in labels:
        other = other_side(label, labels)
        found = prediction[within(truth, label)]
        if other is None or not (found_any := within(found, label) | within(found, other)).any():
            continue
        shares[label.name] = float(within(found, other).sum() / found_any.sum())
    return shares


def within(labels: NDArray[np.integer], label: Label) -> NDArray[np.bool_]:
    """Returns the mask of a bone with all its fragments."""
    return (labels >= label.first_value) & (labels <= label.last_value)
