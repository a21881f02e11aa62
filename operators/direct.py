"""The image path of a published network as plain calls: its classes are the labels, nothing is split.

The network's answer is never there as a whole: finished rows become labels at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from operators.imaging.delivery import delivery
from operators.imaging.preparation import Prepared
from operators.imaging.preparation import prepare as prepare_volume
from operators.imaging.recipes import DirectPackage, Stage
from operators.imaging.segmentation import Segmentation, Way
from operators.imaging.volume import Volume
from operators.networks.label_rows import Found, label_source
from operators.networks.published_window import answers
from operators.networks.registry import Networks
from operators.networks.tilings import TILINGS

Progress = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """A source volume, and the same as the first stage reads it."""

    source: Volume
    prepared: Prepared
    package: DirectPackage


@dataclass(frozen=True, eq=False)
class Answered:
    """What the last stage found in a scan, and how each network was run."""

    source: Volume
    found: Found
    ways: tuple[Way, ...]
    package: DirectPackage


def prepare(volume: Volume, package: DirectPackage) -> PreparedScan:
    """Raises UnsuitableError for a scan of nothing but zeros."""
    return PreparedScan(volume, prepare_volume(volume, package.stages[0]), package)


def answer(scan: PreparedScan, networks: Networks, progress: Progress) -> Answered:
    """Every stage over the scan, each with the labels that the one before gave."""
    package, count = scan.package, len(scan.package.stages)
    values = [label.first_value for label in package.labels]
    kept = [None] * (count - 1) + [values]
    found, ways = run_stage(scan.prepared, package.stages[0], networks, kept[0], part_of(progress, 0, count))
    for number, stage in enumerate(package.stages[1:], start=1):
        prepared = prepare_volume(scan.source, stage, found.labels)
        here = part_of(progress, number, count)
        found, these = run_stage(prepared, stage, networks, kept[number], here)
        ways += these
    return Answered(scan.source, found, ways, package)


def run_stage(
    prepared: Prepared, stage: Stage, networks: Networks, values: Sequence[int] | None,
    progress: Callable[[float], None],
) -> tuple[Found, tuple[Way, ...]]:
    """All folds of one stage; only these `values` are kept, or all."""
    tiling = TILINGS[networks.mode](prepared.channels, stage)
    folds = [tiling.spec(spec) for spec in stage.folds]
    runs = [networks.get(spec) for spec in folds]
    rows = answers(runs, prepared.channels, stage, tiling, progress)
    found = label_source(rows, prepared, stage.recipe, values)
    networks.rest()
    return found, networks.ways(folds, tiling.mode, tiling.overlap)


def part_of(progress: Progress, number: int, count: int) -> Callable[[float], None]:
    """How far all of `count` stages are while one of them runs."""
    return lambda done: progress("network", (number + done) / count)


def deliver(answered: Answered, networks: Networks, progress: Progress) -> Segmentation:
    """The segments of the source grid. Raises UnsuitableError where there are none."""
    del networks
    progress("labels", 1.0)
    found, grid = answered.found, answered.source.grid
    return delivery(found.labels, found.counts, found.certainties, grid, answered.package, answered.ways)
