"""Matches the predicted fragments of one bone to the true ones by their common voxels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from operators.evaluation.metrics import DetectionMetrics

Counts = NDArray[np.int64]

# A fragment counts as found from IoU 0.5 on, as in panoptic quality (Kirillov et al., CVPR 2019).
FOUND_IOU = 0.5
# Merged or split if at least half lies inside: the lowest tolerance of Hoover et al. 1996 ("An experimental
# comparison of range image segmentation algorithms", under/over-segmentation).
COVERED = 0.5


@dataclass(frozen=True, eq=False)
class Overlap:
    """Voxel counts of each true fragment (T,), each predicted one (P,), and those common to both (T, P)."""

    truth_values: tuple[int, ...]
    prediction_values: tuple[int, ...]
    truth: Counts
    prediction: Counts
    common: Counts

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU (T, P) of each pair of a true and a predicted fragment."""
        iou: NDArray[np.float64] = self.common / (
            self.truth[:, None] + self.prediction[None, :] - self.common
        )
        return iou

    @property
    def whole_iou(self) -> NDArray[np.float64]:
        """IoU (T,) of each true fragment with the whole predicted bone: no separation at all."""
        common = self.common.sum(axis=1)
        iou: NDArray[np.float64] = common / (self.truth + self.prediction.sum() - common)
        return iou


def overlap(truth: NDArray[np.integer], prediction: NDArray[np.integer]) -> Overlap:
    """Returns the overlap of two label maps of one bone; 0 is background."""
    used = (truth > 0) | (prediction > 0)
    rows = max(int(truth.max(initial=0)), int(prediction.max(initial=0))) + 1
    pairs = truth[used].astype(np.int64) * rows + prediction[used]
    table = np.bincount(pairs, minlength=rows * rows).reshape(rows, rows)
    kept = np.flatnonzero(table[1:].sum(axis=1)) + 1
    seen = np.flatnonzero(table[:, 1:].sum(axis=0)) + 1
    return Overlap(
        tuple(kept.tolist()),
        tuple(seen.tolist()),
        table[kept].sum(axis=1),
        table[:, seen].sum(axis=0),
        table[np.ix_(kept, seen)],
    )


def best_matches(pairs: Overlap, row: int) -> list[int]:
    """Returns the predicted values with the highest IoU with true fragment `row`; several if tied."""
    if not pairs.common[row].any():
        return []
    iou = pairs.iou[row]
    return [pairs.prediction_values[n] for n in np.flatnonzero(iou == iou.max())]


def found(pairs: Overlap) -> NDArray[np.bool_]:
    """Returns which true fragments (T,) are matched one to one by a predicted one."""
    enough = pairs.iou >= FOUND_IOU
    rows, columns = linear_sum_assignment(np.where(enough, pairs.iou, 0), maximize=True)
    hit = np.zeros(len(pairs.truth_values), dtype=np.bool_)
    hit[rows] = enough[rows, columns]
    return hit


def detection(true_fragments: int, predicted_fragments: int, found: int) -> DetectionMetrics:
    """Returns recall, precision and F1 from counts."""
    recall = found / true_fragments if true_fragments else 0.0
    precision = found / predicted_fragments if predicted_fragments else 0.0
    f1 = 2 * found / (true_fragments + predicted_fragments) if found else 0.0
    return DetectionMetrics(true_fragments, predicted_fragments, found, recall, precision, f1)


def merges(pairs: Overlap) -> int:
    """Counts the predicted fragments that cover at least half of each of two or more true fragments."""
    covered = pairs.common >= COVERED * pairs.truth[:, None]
    return int(np.count_nonzero(covered.sum(axis=0) >= 2))


def splits(pairs: Overlap) -> int:
    """Counts the true fragments that hold at least half of each of two or more predicted fragments."""
    inside = pairs.common >= COVERED * pairs.prediction[None, :]
    return int(np.count_nonzero(inside.sum(axis=1) >= 2))
