"""The stages of a published network over a volume; each reads what the one before gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import prod

import numpy as np

from operators.geometry.largest_component import keep_largest
from operators.geometry.volume import Volume
from operators.networks.registry import Networks
from operators.networks.windows.label_rows import Found, label_source
from operators.networks.windows.nnunet_window import answers
from operators.networks.windows.tilings import TILINGS
from operators.nnunet.preprocessing import Prepared, prepare
from operators.packages.plans import Stage
from operators.prefetch import ahead
from operators.segmentation.segmentation import Way

Progress = Callable[[float], None]


def run_stages(
    volume: Volume,
    first: Prepared,
    stages: Sequence[Stage],
    networks: Networks,
    values: Sequence[int],
    progress: Progress,
) -> tuple[Found, tuple[Way, ...]]:
    """Runs all stages; returns the labels of `values` on the volume's grid, and how each network was run.

    `first` is the volume as the first stage reads it; it can be let go of meanwhile.
    """
    kept = [None] * (len(stages) - 1) + [values]
    found, ways = run_stage(first, stages[0], networks, kept[0], part_of(progress, 0, len(stages)))
    for number, stage in enumerate(stages[1:], start=1):
        prepared = prepare(volume, stage, found.labels)
        here = part_of(progress, number, len(stages))
        found, these = run_stage(prepared, stage, networks, kept[number], here)
        ways += these
    return found, ways


def run_stage(
    prepared: Prepared, stage: Stage, networks: Networks, values: Sequence[int] | None, progress: Progress
) -> tuple[Found, tuple[Way, ...]]:
    """All folds of one stage; only these `values` are kept, or all."""
    tiling = TILINGS[networks.mode](prepared.channels, stage)
    folds = [tiling.spec(spec) for spec in stage.folds]
    runs = [networks.get(spec) for spec in folds]
    rows = answers(runs, prepared.channels, stage, tiling, progress)
    if networks.device.is_cuda:
        # Labels are made of rows while the GPU is over the next; on a CPU both would want all cores
        rows = ahead(rows)
    # Components are of all labels, those too that nobody asked for
    found = label_source(rows, prepared, stage.recipe, None if stage.largest else values)
    networks.rest()
    if stage.largest:
        found = cleaned(found, stage, prod(prepared.spacing_mm), values)
    return found, networks.ways(folds, tiling.mode, tiling.overlap)


def cleaned(found: Found, stage: Stage, voxel_mm3: float, values: Sequence[int] | None) -> Found:
    """Applies the stage's post-processing, one rule after the other."""
    labels = found.labels
    for rule in stage.largest:
        keep_largest(labels, rule, voxel_mm3)
    kept = np.arange(256, dtype=np.uint8)
    if values is not None:
        kept[~np.isin(kept, values)] = 0
    counts = np.zeros(256, np.int64)
    for plane in labels:
        plane[...] = kept[plane]
        counts += np.bincount(plane.ravel(), minlength=256)
    return replace(found, counts=counts)


def part_of(progress: Progress, number: int, count: int) -> Progress:
    """How far all of `count` stages are while one of them runs."""
    return lambda done: progress((number + done) / count)
