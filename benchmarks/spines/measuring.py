"""Measures the result of one CT of a row of bones against the truth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.cases.running import rounded
from benchmarks.accuracy.cases.scan import Scan
from benchmarks.bodies.measuring import segment
from benchmarks.kept_rows import Row
from operators.evaluation.row_evaluation import RowMetrics, evaluate_row
from operators.geometry.volume import Box, CtVolume, Grid
from operators.measure.flags import LEVEL_UNCERTAIN, flag_result
from operators.measure.measuring import measure_segments
from operators.measure.vertebral.heights import body_shape
from operators.networks.registry import Networks
from operators.packages.packages import ModelPackage
from operators.segmentation.segmentation import Segment, Segmentation

Mask = NDArray[np.bool_]
# Smaller parts of a bone in the field of view are not scored
LEAST_VOXELS = 1000
OF_A_SCAN = ("identified", "is_right", "is_flagged", "doubled", "skipped", "false_bones", "shifted_unflagged")


def run_on(ct: CtVolume, package: ModelPackage, networks: Networks) -> Segmentation | str:
    """Returns the measured and flagged result, or the code of the refusal."""
    made = segment(ct, [package], networks)
    return made if isinstance(made, str) else flag_result(measure_segments(made, ct), ct)


def bones_of(made: Segmentation) -> tuple[NDArray[np.uint16], dict[int, str]]:
    """Returns labels with one value for each bone, and the likeliest level by that value."""
    firsts: dict[str, Segment] = {}
    table = np.zeros(np.iinfo(made.label_map.labels.dtype).max + 1, np.uint16)
    for each in made.segments:
        table[each.value] = firsts.setdefault(each.bone, each).value
    labels: NDArray[np.uint16] = table[made.label_map.labels]
    return labels, {
        first.value: first.level.likeliest if first.level else first.bone for first in firsts.values()
    }


def score(scan: Scan, names: Sequence[str], made: Segmentation | str) -> Row:
    """Returns the metrics of a simulated CT; a refused one has skipped all bones."""
    truth = {
        value: name
        for value, name in enumerate(names, start=1)
        if np.count_nonzero(scan.truth.labels == value) >= LEAST_VOXELS
    }
    empty = (np.zeros(scan.grid.shape, np.uint16), dict[int, str]())
    labels, found = empty if isinstance(made, str) else bones_of(made)
    flagged = isinstance(made, str) or any(flag.code == LEVEL_UNCERTAIN for flag in made.flags)
    steps_mm = scan.grid.ijk_to_lps[:3, :3]
    row = evaluate_row(labels, scan.truth.labels, steps_mm, found, truth, flagged)
    summary = {name: getattr(row, name) for name in OF_A_SCAN}
    return rounded(summary | {"bones": list(bone_rows(row, scan, labels, truth))})


def bone_rows(
    row: RowMetrics, scan: Scan, labels: NDArray[np.uint16], truth: Mapping[int, str]
) -> Iterator[Row]:
    """Yields the metrics of each true bone, with the error of its heights."""
    for value, bone in zip(truth, row.bones, strict=True):
        own = labels == bone.outlined[0] if bone.outlined else None
        error_mm = None if own is None else height_error_mm(scan.truth.labels == value, own, scan.grid)
        yield asdict(bone) | {"height_error_mm": error_mm}


def height_error_mm(true: Mask, found: Mask, grid: Grid) -> float | None:
    """Returns the mean error of a body's three heights; None where one of the masks shows no body."""
    box = Box.around(true | found)
    if box is None:
        return None
    shapes = [body_shape(mask[box.slices], grid.crop(box)) for mask in (true, found)]
    one, other = (None if shape is None else shape.heights_mm for shape in shapes)
    if one is None or other is None:
        return None
    return float(np.mean([abs(one[part] - other[part]) for part in one]))
