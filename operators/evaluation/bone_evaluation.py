"""Computes the metrics of one bone: its anatomy, its fragments, and those merged, split or invented."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from operators.evaluation import overlaps
from operators.evaluation.metrics import Agreement, BoneMetrics, EvaluatedBone, FragmentMetrics
from operators.evaluation.surface_distance import (
    Mask,
    Points,
    agreement,
    dice,
    fracture_points,
    near,
    radius_mm,
    surface_points,
)

Labels = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True, eq=False)
class BoneCrop:
    """One bone in ground truth and prediction, cropped to its box; values count from 1 within the bone."""

    bone: EvaluatedBone
    truth: Labels
    prediction: Labels
    steps_mm: Points


@dataclass(frozen=True)
class _Match:
    """The predicted fragment matched to a true one, None if no voxel agrees."""

    value: int | None
    agreement: Agreement


def evaluate_bone(crop: BoneCrop) -> BoneMetrics:
    """Returns all metrics of a bone that the ground truth shows."""
    pairs = overlaps.overlap(crop.truth, crop.prediction)
    fragments = _fragments(crop, pairs)
    found, predicted = sum(fragment.found for fragment in fragments), len(pairs.prediction_values)
    return BoneMetrics(
        name=crop.bone.name,
        anatomy=_anatomy(crop),
        fragments=fragments,
        detection=overlaps.detection(len(fragments), predicted, found),
        merges=overlaps.merges(pairs),
        splits=overlaps.splits(pairs),
        false_fragments=max(predicted - 1, 0) if len(fragments) == 1 else 0,
        fragment_iou=float(np.mean([fragment.agreement.iou for fragment in fragments])),
        whole_iou=float(pairs.whole_iou.mean()),
        local_dice=mean_of_known(fragment.local_dice for fragment in fragments),
    )


def mean_of_known(values: Iterable[float | None]) -> float | None:
    """Returns the mean of the known values; None if there is none."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _anatomy(crop: BoneCrop) -> Agreement:
    truth, prediction = crop.truth > 0, crop.prediction > 0
    common = np.count_nonzero(truth & prediction)
    surface = surface_points(truth, crop.steps_mm)
    if not common:
        return _missed(surface, truth, crop.steps_mm)
    iou = common / np.count_nonzero(truth | prediction)
    return agreement(iou, surface, surface_points(prediction, crop.steps_mm))


def _fragments(crop: BoneCrop, pairs: overlaps.Overlap) -> tuple[FragmentMetrics, ...]:
    surfaces = {value: surface_points(crop.truth == value, crop.steps_mm) for value in pairs.truth_values}
    matches = [_match(crop, pairs, n, surfaces[value]) for n, value in enumerate(pairs.truth_values)]
    local = _local_dice(crop, surfaces, [match.value for match in matches])
    ml = pairs.truth * abs(np.linalg.det(crop.steps_mm)) / 1000
    rows = zip(pairs.truth_values, matches, ml.tolist(), local, overlaps.found(pairs).tolist(), strict=True)
    return tuple(_fragment(crop.bone, *row) for row in rows)


def _fragment(
    bone: EvaluatedBone, value: int, match: _Match, volume_ml: float, local_dice: float | None, found: bool
) -> FragmentMetrics:
    matched = None if match.value is None else bone.values[match.value - 1]
    return FragmentMetrics(bone.values[value - 1], matched, volume_ml, match.agreement, local_dice, found)


def _match(crop: BoneCrop, pairs: overlaps.Overlap, row: int, surface: Points) -> _Match:
    """Matches a true fragment; the nearer surface decides between equal IoU, whatever the label order."""
    candidates = overlaps.best_matches(pairs, row)
    if not candidates:
        missed = _missed(surface, crop.truth == pairs.truth_values[row], crop.steps_mm)
        return _Match(None, missed)
    iou = float(pairs.iou[row].max())
    matches = [
        _Match(value, agreement(iou, surface, surface_points(crop.prediction == value, crop.steps_mm)))
        for value in candidates
    ]
    # Rounded, so that equal distances are equal whatever the direction of the axes
    return min(matches, key=lambda match: (round(match.agreement.hd95_mm, 6), match.agreement.assd_mm))


def _missed(surface: Points, truth: Mask, steps_mm: Points) -> Agreement:
    radius = radius_mm(surface, truth, steps_mm)
    return Agreement(0.0, 2 * radius, radius)


def _local_dice(
    crop: BoneCrop, surfaces: Mapping[int, Points], matched: Sequence[int | None]
) -> list[float | None]:
    """Returns each fragment's Dice with its match among the voxels within 20 mm of the bone's fractures."""
    fractures = fracture_points(list(surfaces.values()), crop.steps_mm)
    voxels = near((crop.truth > 0) | (crop.prediction > 0), fractures, crop.steps_mm)
    truth, prediction = crop.truth.ravel()[voxels], crop.prediction.ravel()[voxels]
    return [
        dice(truth == value, prediction == (match or -1)) if (truth == value).any() else None
        for value, match in zip(surfaces, matched, strict=True)
    ]
