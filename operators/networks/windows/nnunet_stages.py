"""Runs the stages of a published network over a volume; each reads the labels of the previous one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from operators.geometry.components import keep_largest
from operators.geometry.volume import CtVolume
from operators.networks.registry import Networks
from operators.networks.windows.labelled_scan import LabelledScan, kept_values
from operators.networks.windows.tilings import TILINGS
from operators.nnunet.preprocessing import PreprocessedImage, preprocess
from operators.packages.plans import Stage
from operators.process.prefetch import prefetch
from operators.segmentation.segmentation import NetworkRun

Progress = Callable[[float], None]


def run_stages(
    volume: CtVolume,
    first: PreprocessedImage,
    stages: Sequence[Stage],
    networks: Networks,
    values: Sequence[int],
    progress: Progress,
) -> tuple[LabelledScan, tuple[NetworkRun, ...]]:
    """Runs all stages; returns the labels of `values` on the volume's grid, and how each network was run.

    `first` is the volume as preprocessed for the first stage; it can be freed afterwards.
    """
    kept = [None] * (len(stages) - 1) + [values]
    found, network_runs = run_stage(first, stages[0], networks, kept[0], part_of(progress, 0, len(stages)))
    for number, stage in enumerate(stages[1:], start=1):
        prepared = preprocess(volume, stage, found.labels)
        here = part_of(progress, number, len(stages))
        found, these = run_stage(prepared, stage, networks, kept[number], here)
        network_runs += these
    return found, network_runs


def run_stage(
    prepared: PreprocessedImage,
    stage: Stage,
    networks: Networks,
    values: Sequence[int] | None,
    progress: Progress,
) -> tuple[LabelledScan, tuple[NetworkRun, ...]]:
    """Runs all folds of one stage; keeps only these `values`, or all."""
    # These load torch, in whose arithmetic nnU-Net computes; other packages do without it
    from operators.networks.windows.label_rows import label_source
    from operators.networks.windows.nnunet_window import answers

    tiling = TILINGS[networks.mode](prepared.channels, stage)
    folds = [tiling.spec(spec) for spec in stage.folds]
    runs = [networks.get(spec) for spec in folds]
    rows = answers(runs, prepared.channels, stage, tiling, progress)
    if networks.device.is_cuda:
        # Labels are computed while the GPU runs the next rows; on a CPU both would compete for all cores
        rows = prefetch(rows)
    # Components are those of all labels, including labels that are not requested
    found = label_source(rows, prepared, stage.recipe, None if stage.largest else values)
    networks.rest()
    if stage.largest:
        found = postprocess(found, stage, prod(prepared.spacing_mm), values)
    return found, networks.network_runs(folds, tiling.mode, tiling.overlap)


def postprocess(
    found: LabelledScan, stage: Stage, voxel_mm3: float, values: Sequence[int] | None
) -> LabelledScan:
    """Applies the stage's post-processing, one rule after the other."""
    labels = found.labels
    for rule in stage.largest:
        keep_largest(labels, rule, voxel_mm3)
    kept = kept_values(values)
    counts = np.zeros(256, np.int64)
    for plane in labels:
        plane[...] = kept[plane]
        counts += np.bincount(plane.ravel(), minlength=256)
    return replace(found, counts=counts)


def part_of(progress: Progress, number: int, count: int) -> Progress:
    """Returns the progress of all `count` stages while one of them runs."""
    return lambda done: progress((number + done) / count)
