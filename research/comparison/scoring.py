"""Scores how well a variant separates the fragments of the test bones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from torch import nn

from operators.evaluation.overlaps import overlap
from operators.networks.runtimes import Device, Runtime, openvino_runtime
from operators.networks.windows.sliding_window import Window, predict
from operators.packages.packages import NetworkSpec
from research.comparison.decoding import THRESHOLDS, Labels, decoded
from research.comparison.yardstick import TestBone
from training.recipe import NetworkRecipe

Voxel = TypeVar("Voxel", bound=np.generic)


@dataclass(frozen=True)
class Score:
    """Score of one bone at one threshold: mean IoU of its true fragments, and number of fragments found."""

    bone: str
    patient: str
    kind: str
    iou: float
    fragments: int
    found: int


@dataclass(frozen=True)
class Reading:
    """Scores of a variant, at the threshold that was best on the tuning bones."""

    threshold: float
    scores: tuple[Score, ...]


def reading(
    model: nn.Module, network: NetworkRecipe, tuning: Sequence[TestBone], bones: Sequence[TestBone]
) -> Reading:
    """Chooses the threshold on `tuning`, and scores `bones` with it."""
    runtime = openvino_runtime(model, network_spec(network), Device(threads=1))
    tuned = [[one.iou for one in tried(bone, runtime, network)] for bone in tuning]
    best = int(np.mean(tuned, axis=0).argmax())
    return Reading(THRESHOLDS[best], tuple(tried(bone, runtime, network)[best] for bone in bones))


def tried(bone: TestBone, runtime: Runtime, network: NetworkRecipe) -> list[Score]:
    """Scores a bone at each threshold: predicted at the network's spacing, scored at the bone's own."""
    zoom = [round(n * bone.spacing_mm / network.spacing_mm) / n for n in bone.hu.shape]
    hu = resized(bone.hu.astype(np.float32), zoom, 1)
    outline = resized(bone.outline.astype(np.float32), zoom, 1) >= 0.5
    classes = predict(runtime, hu, network_spec(network), Window(), outline)
    back = [n / m for n, m in zip(bone.hu.shape, outline.shape, strict=True)]
    return [score(bone, resized(found, back, 0)) for found in decoded(classes, outline, network.spacing_mm)]


def resized(array: NDArray[Voxel], zoom: list[float], order: int) -> NDArray[Voxel]:
    """Resamples an array by zoom factors."""
    return ndimage.zoom(array, zoom, order=order, grid_mode=True, mode="nearest")


def network_spec(network: NetworkRecipe) -> NetworkSpec:
    """Returns the variant's network as the pipeline describes it."""
    dimensions = len(network.patch)
    return NetworkSpec(
        network.name,
        network.architecture,
        {},
        Path(),
        "",
        (network.spacing_mm,) * dimensions,
        network.patch,
        network.window_hu,
        network.classes,
    )


def score(bone: TestBone, found: Labels) -> Score:
    """Scores each true fragment against the best matching predicted one, within the true bone."""
    pairs = overlap(bone.fragments, np.where(bone.fragments > 0, found, 0))
    return Score(
        bone.name,
        bone.patient,
        bone.kind,
        float(pairs.iou.max(axis=1).mean()),
        len(pairs.truth_values),
        len(pairs.prediction_values),
    )
